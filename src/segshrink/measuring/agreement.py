"""Does an exported file compute what the model computes?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segshrink.errors import ExportError
from segshrink.export import in_float32
from segshrink.objectives import ConfusionMatrix
from segshrink.runtimes import load_artifact

if TYPE_CHECKING:
    import keras

# A float32 file differs from the model by rounding only, and float16 by that of its
# weights. Int8 is a different function, of which the loss of mean IoU tells.
_LEAST_AGREEMENT = {None: 0.999, "float16": 0.99}


@dataclass(frozen=True, eq=False)
class Expectation:
    """What a model makes of some images, for files that were made from it.

    Attributes:
        images: uint8 `(images, height, width, 3)`.
        logits: float32 `(images, height, width, classes)`, of the model.
        labels: uint8 `(images, height, width)`, void 255; None if unknown.
    """

    images: np.ndarray
    logits: np.ndarray
    labels: np.ndarray | None = None

    def mean_iou(self, logits: np.ndarray) -> float:
        """Mean IoU in [0, 1] of logits of these images; nan without any labels."""
        if self.labels is None:
            return float("nan")
        confusion = ConfusionMatrix(logits.shape[-1])
        confusion.update(self.labels, logits.argmax(axis=-1))
        return confusion.mean_iou()


def expectation(
    model: keras.Model, images: np.ndarray, labels: np.ndarray | None = None
) -> Expectation:
    """Run a model over images.

    Args:
        model: taken as float32 also if it was trained in less.
        images: uint8 `(images, height, width, 3)`.
        labels: uint8 `(images, height, width)`, void 255.
    """
    reference = in_float32(model)
    logits = [
        reference.predict_on_batch(image[None].astype(np.float32)) for image in images
    ]
    return Expectation(images, np.concatenate(logits), labels)


def check_file(
    path: Path | str,
    expected: Expectation,
    *,
    quantize: str | None = None,
    named: Path | None = None,
) -> dict[str, float]:
    """Compare a file with the model it was made from.

    Args:
        path: the file.
        expected: what the model makes of images.
        quantize: how the file was made, as for `export_model`. An int8 file may differ
            as it likes; its numbers are told all the same.
        named: where the file will lie, for messages; `path` by default.

    Returns:
        `"max_logit_error"`, `"agreement"`, the share of pixels with the same class,
        and, where there are labels, `"mean_iou"` of the file, `"model_mean_iou"`, and
        `"drop"`, what the file has less, in points of 0.01.

    Raises:
        ExportError: if a float32 file predicts another class for more than one pixel
            in a thousand, or a float16 file for more than one in a hundred.
    """
    logits = load_artifact(path).predict(expected.images)
    found = {
        "max_logit_error": float(np.abs(logits - expected.logits).max()),
        "agreement": float((logits.argmax(-1) == expected.logits.argmax(-1)).mean()),
    }
    least = _LEAST_AGREEMENT.get(quantize, 0.0)
    if found["agreement"] < least:
        raise ExportError(
            f"{named or path}: the file must predict the class that the model predicts "
            f"for {least:.1%} of the pixels, got "
            f"{found['agreement']:.2%} (logits differ by up to "
            f"{found['max_logit_error']:.3g}). Export the model again; if that does "
            "not help, one of its layers is converted wrongly."
        )
    before, after = expected.mean_iou(expected.logits), expected.mean_iou(logits)
    if not np.isnan(before - after):
        drop = 100 * (before - after)
        found |= {"mean_iou": after, "model_mean_iou": before, "drop": drop}
    return found


def check_export(
    model: keras.Model,
    artifact_path: Path | str,
    images: np.ndarray,
    *,
    labels: np.ndarray | None = None,
    quantize: str | None = None,
) -> dict[str, float]:
    """Compare a file with the model it was made from; see `check_file`.

    Args:
        model: the model; compared as float32 also if it was trained in less.
        artifact_path: the file.
        images: uint8 `(images, height, width, 3)`.
        labels: uint8 `(images, height, width)`, void 255.
        quantize: how the file was made, as for `export_model`.

    Returns:
        As `check_file`.

    Raises:
        ExportError: as `check_file`.
    """
    expected = expectation(model, images, labels)
    return check_file(artifact_path, expected, quantize=quantize)
