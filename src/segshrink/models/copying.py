"""Copies of models."""

from collections.abc import Callable

import keras


def copy_model(
    model: keras.Model,
    clone_layer: Callable[[keras.Layer], keras.Layer] | None = None,
) -> keras.Model:
    """Return a model with the same layers and weights that shares neither.

    Args:
        model: Functional or Sequential model.
        clone_layer: from a layer to the one that takes its place, which has the same
            weights; it is also given the layers of nested models. None copies layers.
    """
    if clone_layer is None:
        copy = keras.models.clone_model(model)
    else:
        copy = keras.models.clone_model(
            model, clone_function=clone_layer, recursive=True
        )
    copy.set_weights(model.get_weights())
    return copy
