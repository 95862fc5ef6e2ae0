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

# A float32 file differs from the model by rounding only, and float16 by that of its
# weights. Int8 is a different function of its own quality, which measure_quality tells.
_LEAST_AGREEMENT = {None: 0.999, "float16": 0.99}


def check_export(
    model: keras.Model,
    artifact_path: Path | str,
    images: np.ndarray,
    *,
    quantize: str | None = None,
) -> dict[str, float]:
    """Compare a file with the model it was made from.

    Args:
        model: the model; compared as float32 also if it was trained in less.
        artifact_path: the file.
        images: uint8 `(batch, height, width, 3)`.
        quantize: how the file was made, as for `export_model`. An int8 file may differ
            as it likes; its numbers are told all the same.

    Returns:
        `{"max_logit_error": float, "agreement": float}`; agreement is the share of
        pixels with the same class.

    Raises:
        ExportError: if a float32 file predicts another class for more than one pixel
            in a thousand, or a float16 file for more than one in a hundred.
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
    least = _LEAST_AGREEMENT.get(quantize, 0.0)
    if found["agreement"] < least:
        raise ExportError(
            f"{artifact_path}: the file must predict the class that the model predicts "
            f"for {least:.1%} of the pixels, got "
            f"{found['agreement']:.2%} (logits differ by up to "
            f"{found['max_logit_error']:.3g}). Export the model again; if that does "
            "not help, one of its layers is converted wrongly."
        )
    return found
