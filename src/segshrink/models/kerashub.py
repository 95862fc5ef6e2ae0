"""Layers of KerasHub that hold weights of their own, by layers of Keras.

KerasHub need not be installed: its classes are known by their names.
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from segshrink.models.opening import CannotOpen


def _drop_path(layer: Any, name: str) -> keras.Layer:
    """Dropout of whole images, which is what DropPath computes."""
    rank = len(layer._inbound_nodes[0].input_tensors[0].shape)
    shape = (None, *(1,) * (rank - 1))
    return keras.layers.Dropout(layer.rate, noise_shape=shape, name=name)


def _patching(layer: Any, name: str) -> keras.Model:
    """Patches by a convolution, behind the class token, plus a vector per position.

    The learned vectors come from Embedding layers, which look them up by indices that
    are the same for every image.
    """
    ops, node = keras.ops, layer._inbound_nodes[0]
    image = keras.Input(batch_shape=node.input_tensors[0].shape, name="images")
    patches = _like(layer.patch_embedding)
    x = patches(image)
    if layer.data_format == "channels_first":
        x = ops.transpose(x, (0, 2, 3, 1))
    # Plans name layers, so these names are the same each time.
    shape = (layer.num_patches, layer.hidden_dim)
    x = keras.layers.Reshape(shape, name="sequence")(x)
    zeros = ops.cast(ops.zeros_like(image[:, :1, 0, 0]), "int32")
    inner = [(patches, layer.patch_embedding.get_weights())]
    if layer.use_class_token:
        token = keras.layers.Embedding(1, layer.hidden_dim, name="class_token")
        x = keras.layers.Concatenate(axis=1, name="with_token")([token(zeros), x])
        inner.append((token, [ops.convert_to_numpy(layer.class_token)[0]]))
    positions = _like(layer.position_embedding)
    places = np.arange(layer.num_positions, dtype="int32")[None]
    x = keras.layers.Add(name="with_positions")([x, positions(zeros + places)])
    inner.append((positions, layer.position_embedding.get_weights()))
    for copy, weights in inner:
        copy.set_weights(weights)
    return keras.Model(image, x, name=name)


def _like(layer: keras.Layer) -> keras.Layer:
    return type(layer).from_config(layer.get_config())


_EQUIVALENTS: Mapping[str, Callable[[Any, str], Any]] = {
    "keras_hub.src.models.mit.mit_layers.DropPath": _drop_path,
    "keras_hub.src.models.vit.vit_layers.ViTPatchingAndEmbedding": _patching,
}


def equivalent(operation: Any) -> Callable[[str], Any] | None:
    """From a name to a layer or model of Keras that computes the same as `operation`.

    None if the operation is not one of those that are listed here.
    """
    kind = type(operation)
    found = _EQUIVALENTS.get(f"{kind.__module__}.{kind.__qualname__}")
    if found is None:
        return None

    def build(name: str) -> Any:
        try:
            return found(operation, name)
        except (AttributeError, ValueError) as error:
            # Another version of KerasHub may have changed the class.
            raise CannotOpen(operation) from error

    return build
