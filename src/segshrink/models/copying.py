"""Copies of models."""

from collections.abc import Callable

import keras
from keras.src.saving.serialization_lib import SafeModeScope

from segshrink.errors import ModelError


def copy_model(
    model: keras.Model,
    clone_layer: Callable[[keras.Layer], keras.Layer] | None = None,
) -> keras.Model:
    """Return a model with the same layers and weights that shares neither.

    Args:
        model: Functional or Sequential model.
        clone_layer: from a layer to the one that takes its place, which has the same
            weights; it is also given the layers of nested models. None copies layers.

    Raises:
        ModelError: if Keras cannot rebuild a layer from its config.
    """
    options = {"clone_function": clone_layer, "recursive": True} if clone_layer else {}
    try:
        # Safe mode is for files: the functions of this model are in memory already.
        with SafeModeScope(safe_mode=False):
            copy = keras.models.clone_model(model, **options)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ModelError(
            f"{model.name}: the model cannot be rebuilt from its config. {error}"
        ) from error
    copy.set_weights(model.get_weights())
    for layer in copy._flatten_layers():
        # This layer computes with tensors that it derives from its weights only once.
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
    return copy
