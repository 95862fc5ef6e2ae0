"""Copies of models."""

import keras


def copy_model(model: keras.Model) -> keras.Model:
    """Return a model with the same layers and weights that shares neither."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy
