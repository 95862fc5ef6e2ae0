"""How much each tensor of an int8 file costs, found by rounding it alone."""

from collections.abc import Callable

import numpy as np

from segshrink.quantization.fake_quantization import FakeQuantizedModel
from segshrink.quantization.structure import Value


def by_sensitivity(
    twin: FakeQuantizedModel,
    images: np.ndarray,
    *,
    on_value: Callable[[], None] | None = None,
) -> list[tuple[Value, float]]:
    """The computed tensors of a model, the one whose rounding hurts most first.

    Each is rounded alone, with the kernels that it is computed with, and the error of
    the logits is taken.

    Args:
        twin: of the model.
        images: uint8 `(images, height, width, 3)`, at least one.
        on_value: called after each tensor.

    Returns:
        (tensor, mean squared error of the logits), largest error first.
    """
    batch = images.astype(np.float32)

    def logits() -> np.ndarray:
        return np.concatenate(
            [twin.model.predict_on_batch(image[None]) for image in batch]
        )

    twin.all_in_float()
    expected = logits()
    found = []
    for value in twin.candidates:
        twin.round_only(value)
        found.append((value, float(np.square(logits() - expected).mean())))
        if on_value is not None:
            on_value()
    twin.keep_in_float(())
    return sorted(found, key=lambda pair: -pair[1])
