"""Models of images of any range as models of grey levels of 0 to 255."""

from typing import Any

import keras
import numpy as np
from keras import layers

from segshrink.errors import ModelError
from segshrink.formats import InputRange
from segshrink.models.calls import as_functional, is_graph, run_calls, same_call

TO_RANGE = "to_range"
"""Name of the layer that changes the range of images; its weights are constants."""

_SCALING = (layers.Rescaling, layers.Normalization, layers.BatchNormalization)
_SCALING_OPERATIONS = ("Multiply", "TrueDivide", "Divide", "Subtract", "Add")
_PASSING = (layers.Identity, layers.Dropout, layers.ZeroPadding2D)


def scales_itself(model: keras.Model) -> bool:
    """Whether a model is seen to change the range of its images before anything else.

    Layers that augment or pad images may come before.
    """
    if not is_graph(model):
        return False
    functional = as_functional(model)
    known = {id(functional.inputs[0])}
    for operation in functional.operations:
        for node in operation._inbound_nodes:
            if not any(id(tensor) in known for tensor in node.input_tensors):
                continue
            if is_graph(operation):
                return scales_itself(operation)
            if isinstance(operation, _SCALING) or _is_arithmetic(operation):
                return True
            if _passes(operation):
                known |= {id(tensor) for tensor in node.outputs}
    return False


def _is_arithmetic(operation: Any) -> bool:
    is_layer = isinstance(operation, keras.Layer)
    return not is_layer and type(operation).__name__ in _SCALING_OPERATIONS


def _passes(operation: Any) -> bool:
    # Layers of augmentation live in one package of Keras.
    return (
        isinstance(operation, _PASSING) or "preprocessing" in type(operation).__module__
    )


def with_input_range(model: keras.Model, of: InputRange | str) -> keras.Model:
    """The model with the change from 0-255 to its own range in front.

    Args:
        model: Functional or Sequential model of one image.
        of: the range that it takes now.

    Returns:
        The model itself for 0-255; otherwise one that shares its layers.

    Raises:
        ModelError: if a range of RGB images is given for a model of other bands.
    """
    of = InputRange(of)
    if of is InputRange.BYTES:
        return model
    shape = tuple(model.inputs[0].shape[1:])
    same = len({*of.scale}) == len({*of.offset}) == 1 and not of.is_reversed
    if not same and shape[-1] != 3:
        raise ModelError(
            f"{model.name}: the range {of} is for RGB images, but the model takes "
            f"{shape[-1]} bands. Give 0-255, 0-1 or -1-1."
        )
    images = keras.Input(shape, name=model.inputs[0].name)
    if same:
        scaled = layers.Rescaling(of.scale[0], of.offset[0], name=TO_RANGE)(images)
    elif of.is_reversed:
        scaled = _linear(images, np.diag(of.scale)[::-1], of.offset)
    else:
        scaled = layers.Rescaling(list(of.scale), list(of.offset), name=TO_RANGE)(
            images
        )
    try:
        outputs = run_calls(model, [scaled], same_call)
        return keras.Model(images, outputs[0], name=model.name)
    except ValueError:  # layers of nested models have the same names
        return keras.Model(images, model(scaled), name=model.name)


def _linear(images: Any, kernel: np.ndarray, offset: tuple[float, ...]) -> Any:
    """A fixed linear map of the bands of each pixel."""
    layer = layers.Conv2D(3, 1, trainable=False, name=TO_RANGE)
    mapped = layer(images)
    layer.set_weights([kernel[None, None], np.array(offset)])
    return mapped
