"""Correction of biases for the shift of channel means by quantization."""

from collections import Counter
from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops

from segshrink.quantization.fake_quantization import FakeQuantizedModel
from segshrink.quantization.structure import Value

_LINEAR = (None, keras.activations.linear)


def correct_biases(quantized: FakeQuantizedModel, images: np.ndarray) -> list[str]:
    """Shift channels so that the quantized and the plain model have the same means.

    Rounded weights and clipped values shift the mean of a channel; unlike noise, that
    adds up over layers. Layers are corrected in order, each for what the corrections
    before it have changed (Nagel et al., Data-Free Quantization Through Weight
    Equalization and Bias Correction, 2019, section 4.2, with images). The variables of
    the model itself are changed.

    Args:
        quantized: fake-quantized form of the model.
        images: uint8 `(images, height, width, 3)`, at least one.

    Returns:
        Paths of the layers that were corrected: those with a bias, or a normalization
        with an offset, that are called once and have no activation of their own.
    """
    times_called = Counter(id(value.operation) for value in quantized.values)
    correctable = [
        value
        for value in quantized.values
        if value.path in quantized.before_activation
        and _offset(value) is not None
        # Two calls share one offset, and one cannot be right for both.
        and times_called[id(value.operation)] == 1
    ]
    if not correctable:
        return []
    means_of = _means_by(quantized, correctable)
    quantized.all_in_float()
    expected = means_of(images)
    quantized.keep_in_float(())
    for place, value in enumerate(correctable):
        offset = _offset(value)
        if offset is not None:
            shift = expected[place] - means_of(images)[place]
            offset.assign(ops.convert_to_numpy(offset) + shift)
    return [value.path for value in correctable]


def _offset(value: Value) -> keras.Variable | None:
    """The variable that is added to the channels of a layer's output.

    None if there is none, or if the layer's own activation follows it: the means that
    are compared are those of the output.
    """
    if getattr(value.operation, "activation", None) not in _LINEAR:
        return None
    normalization = value.normalization
    if normalization is not None:
        return normalization.beta if normalization.center else None
    return value.operation.bias


def _positions(value: Value, rank: int) -> tuple[int, ...]:
    """The axes of a layer's output that are neither the image nor the channels."""
    is_first = getattr(value.operation, "data_format", None) == "channels_first"
    return tuple(range(2, rank)) if is_first else tuple(range(1, rank - 1))


def _means_by(
    quantized: FakeQuantizedModel, values: Sequence[Value]
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """A function from images to the mean of each channel of each layer."""
    tensors = [quantized.before_activation[value.path] for value in values]
    means = [
        ops.mean(x, axis=_positions(value, len(x.shape)))
        for value, x in zip(values, tensors, strict=True)
    ]
    model = keras.Model(quantized.model.inputs, means)

    def means_of(images: np.ndarray) -> list[np.ndarray]:
        sums = [np.zeros(x.shape[-1]) for x in means]
        for image in images:
            outputs = model.predict_on_batch(image[None].astype(np.float32))
            # Keras returns a single output without a list around it.
            for total, x in zip(sums, keras.tree.flatten(outputs), strict=True):
                total += x[0]
        return [total / len(images) for total in sums]

    return means_of
