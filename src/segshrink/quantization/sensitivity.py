"""Sensitivity of a model to the quantization of each of its tensors."""

from collections.abc import Callable

import numpy as np

from segshrink.quantization.fake_quantization import FakeQuantizedModel
from segshrink.quantization.structure import Value


def rank_by_sensitivity(
    quantized: FakeQuantizedModel,
    images: np.ndarray,
    *,
    on_value: Callable[[], None] | None = None,
) -> list[tuple[Value, float]]:
    """The computed tensors of a model, the most sensitive first.

    Each is quantized alone, with the kernels that it is computed with, and the error of
    the logits is measured.

    Args:
        quantized: fake-quantized form of the model.
        images: uint8 `(images, height, width, 3)`, at least one.
        on_value: called after each tensor.

    Returns:
        (tensor, mean squared error of the logits), largest error first.
    """
    batch = images.astype(np.float32)

    def logits() -> np.ndarray:
        return np.concatenate(
            [quantized.model.predict_on_batch(image[None]) for image in batch]
        )

    quantized.all_in_float()
    expected = logits()
    ranked = []
    for value in quantized.candidates:
        quantized.quantize_only(value)
        ranked.append((value, float(np.square(logits() - expected).mean())))
        if on_value is not None:
            on_value()
    quantized.keep_in_float(())
    return sorted(ranked, key=lambda pair: -pair[1])
