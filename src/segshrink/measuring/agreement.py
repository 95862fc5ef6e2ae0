"""Does an exported file compute what the model computes?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segshrink.errors import ExportError
from segshrink.export import in_float32
from segshrink.runtimes import load_artifact

if TYPE_CHECKING:
    import keras

# A float file differs from the model by rounding only. Int8 is a different function
# of its own quality, which measure_quality tells.
_LEAST_FLOAT_AGREEMENT = 0.999


def check_export(
    model: keras.Model,
    artifact_path: Path | str,
    images: np.ndarray,
    *,
    quantized: bool = False,
) -> dict[str, float]:
    """Compare a file with the model it was made from.

    Args:
        model: the model; compared as float32 also if it was trained in less.
        artifact_path: the file.
        images: uint8 `(batch, height, width, 3)`.
        quantized: whether the file may differ; its numbers are told all the same.

    Returns:
        `{"max_logit_error": float, "agreement": float}`; agreement is the share of
        pixels with the same class.

    Raises:
        ExportError: if a float file predicts another class for more than one pixel in
            a thousand.
    """
    reference = in_float32(model)
    expected = np.concatenate(
        [reference.predict_on_batch(image[None].astype(np.float32)) for image in images]
    )
    logits = load_artifact(artifact_path).predict(images)
    found = {
        "max_logit_error": float(np.abs(logits - expected).max()),
        "agreement": float((logits.argmax(-1) == expected.argmax(-1)).mean()),
    }
    if not quantized and found["agreement"] < _LEAST_FLOAT_AGREEMENT:
        raise ExportError(
            f"{artifact_path}: the file must predict the class that the model predicts "
            f"for {_LEAST_FLOAT_AGREEMENT:.1%} of the pixels, got "
            f"{found['agreement']:.2%} (logits differ by up to "
            f"{found['max_logit_error']:.3g}). Export the model again; if that does "
            "not help, one of its layers is converted wrongly."
        )
    return found
