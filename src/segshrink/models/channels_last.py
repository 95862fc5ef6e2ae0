"""Models of images with their bands first, as models of images with them last."""

from typing import Any

import keras
from keras import layers

from segshrink.models.calls import run_calls, same_call
from segshrink.records.bands import MOST_BANDS


def takes_channels_first(model: keras.Model) -> bool:
    """Whether images go into a model as `(bands, height, width)`."""
    shape = model.inputs[0].shape
    if len(model.inputs) != 1 or len(shape) != 4 or shape[1] is None:
        return False
    is_shorter = shape[3] is None or shape[1] < shape[3]
    return bool(is_shorter and shape[1] <= MOST_BANDS)


def with_channels_last(model: keras.Model) -> keras.Model:
    """The same model for images and logits whose channels are last.

    Args:
        model: Functional or Sequential, see `takes_channels_first`.

    Returns:
        A model that shares its layers, with a Permute in front and behind.
    """
    bands, height, width = model.inputs[0].shape[1:]
    images = keras.Input((height, width, bands), name=model.inputs[0].name)
    first = layers.Permute((3, 1, 2), name="to_channels_first")(images)
    try:
        outputs = run_calls(model, [first], same_call)
        return _model(model, images, outputs, (height, width))
    except ValueError:  # layers of nested models have the same names
        outputs = keras.tree.flatten(model(first))
        return _model(model, images, outputs, (height, width))


def _model(
    model: keras.Model, images: Any, outputs: list[Any], size_px: tuple
) -> keras.Model:
    changed = [
        layers.Permute((2, 3, 1), name=f"{number}_to_channels_last")(output)
        if _is_first(output.shape, size_px)
        else output
        for number, output in enumerate(outputs)
    ]
    return keras.Model(
        images, changed[0] if len(changed) == 1 else changed, name=model.name
    )


def _is_first(shape: tuple, size_px: tuple) -> bool:
    if len(shape) != 4 or shape[1] is None or shape[1:3] == size_px:
        return False
    return shape[3] is None or shape[2:] == size_px or shape[1] < shape[3]
