"""Models for images of another size."""

from typing import Any

import keras
from keras.src.saving.serialization_lib import SafeModeScope

from segshrink.models.calls import is_graph
from segshrink.models.plain import Copying, copied


def resized(model: keras.Model, image_shape: tuple[int | None, ...]) -> keras.Model:
    """A Functional copy of a model of one image, for images of another shape.

    Nested models are copied for the sizes that they then get.

    Args:
        model: Functional or Sequential model of one input.
        image_shape: shape of an image without batch; None for a size that stays open.

    Raises:
        ModelError: if a layer cannot be copied from its config.
        ValueError, TypeError: if a layer cannot take the shape that it would get.
    """
    # Safe mode is for files: the functions of this model are in memory already.
    with SafeModeScope(safe_mode=False):
        copying = _Resizing(keep=(), whole=set())
        return copying.graph(model, model.name, shapes=[(None, *image_shape)])


class _Resizing(Copying):
    """A copy whose layers stay whole, and whose nested models follow the size."""

    def copy(self, node: Any, held: dict[int, Any], name: str) -> Any:
        """See `Copying.copy`."""
        if is_graph(node.operation):
            shapes = [held[id(tensor)].shape for tensor in node.input_tensors]
            return self.graph(node.operation, name, shapes=shapes)
        return copied(node, held, name)
