"""Comparison of an exported file with the model that it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segshrink.errors import ExportError
from segshrink.export import in_float32
from segshrink.formats import Precision
from segshrink.metrics import ConfusionMatrix
from segshrink.records.measurement import Agreement
from segshrink.runtimes import load_artifact

if TYPE_CHECKING:
    import keras

# A float32 file differs from the model by rounding only, and float16 by that of its
# weights. Int8 is a different function, which its mean IoU judges.
_LEAST_AGREEMENT = {Precision.FLOAT32: 0.999, Precision.FLOAT16: 0.99}


@dataclass(frozen=True, eq=False)
class Expectation:
    """Logits of a model for some images, to compare its files with.

    Attributes:
        images: uint8 `(images, height, width, 3)`.
        logits: float32 `(images, height, width, classes)`, of the model.
        labels: uint8 `(images, height, width)`, void 255; None if unknown.
    """

    images: np.ndarray
    logits: np.ndarray
    labels: np.ndarray | None = None

    def mean_iou(self, logits: np.ndarray) -> float:
        """Mean IoU in [0, 1] of logits of these images; nan without labels."""
        if self.labels is None:
            return float("nan")
        confusion = ConfusionMatrix(logits.shape[-1])
        confusion.update(self.labels, logits.argmax(axis=-1))
        return confusion.mean_iou()


def expectation(
    model: keras.Model, images: np.ndarray, labels: np.ndarray | None = None
) -> Expectation:
    """Run a model over images, to compare its files with.

    Args:
        model: computed in float32, whatever it was trained in.
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
    precision: Precision = Precision.FLOAT32,
    named: Path | None = None,
) -> Agreement:
    """Compare a file with the model it was made from.

    Args:
        path: the file.
        expected: logits of the model.
        precision: precision of the file; an int8 file is never refused.
        named: where the file will lie, for messages; `path` by default.

    Returns:
        The comparison, with scores where there are labels.

    Raises:
        ExportError: if a float32 file predicts another class for more than one pixel
            in a thousand, or a float16 file for more than one in a hundred.
    """
    logits = load_artifact(path).predict(expected.images)
    max_logit_error = float(np.abs(logits - expected.logits).max())
    agreement = float((logits.argmax(-1) == expected.logits.argmax(-1)).mean())
    least = _LEAST_AGREEMENT.get(precision, 0.0)
    if agreement < least:
        raise ExportError(
            f"{named or path}: the file must predict the class that the model predicts "
            f"for {least:.1%} of the pixels, got "
            f"{agreement:.2%} (logits differ by up to {max_logit_error:.3g}). Export "
            "the model again; if that does not help, one of its layers is converted "
            "wrongly."
        )
    before, after = expected.mean_iou(expected.logits), expected.mean_iou(logits)
    if np.isnan(before - after):
        return Agreement(max_logit_error=max_logit_error, agreement=agreement)
    return Agreement(
        max_logit_error=max_logit_error,
        agreement=agreement,
        mean_iou=after,
        model_mean_iou=before,
        drop=100 * (before - after),
    )


def check_export(
    model: keras.Model,
    artifact_path: Path | str,
    images: np.ndarray,
    *,
    labels: np.ndarray | None = None,
    quantize: str | None = None,
) -> Agreement:
    """Compare a file with the model it was made from; see `check_file`.

    Args:
        model: the model; computed in float32, whatever it was trained in.
        artifact_path: the file.
        images: uint8 `(images, height, width, 3)`.
        labels: uint8 `(images, height, width)`, void 255.
        quantize: how the file was made, as for `export_model`.

    Returns:
        The comparison, as `check_file` gives it.

    Raises:
        ExportError: as `check_file`.
    """
    expected = expectation(model, images, labels)
    return check_file(artifact_path, expected, precision=Precision.of(quantize))
