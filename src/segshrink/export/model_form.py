"""Models as a file needs them: of fixed input size, and in float32 throughout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segshrink.errors import ModelError, first_line
from segshrink.formats import WINDOW_PX

if TYPE_CHECKING:
    import keras


def fixed_input_shape(model: keras.Model) -> tuple[int, int]:
    """Height and width in pixels of the one image a segmentation model takes.

    Raises:
        ModelError: unless the model maps one `(height, width, bands)` image of fixed
            size to logits of the same height and width.
    """
    inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if inputs is None or outputs is None:
        raise ModelError(
            f"model {model.name}: must be Functional or Sequential, and built, got a "
            f"{type(model).__name__}. Call keras.Model(inputs, outputs)."
        )
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelError(
            f"model {model.name}: one image in and one logits tensor out is needed, "
            f"got {len(inputs)} inputs and {len(outputs)} outputs."
        )
    image, logits = inputs[0].shape, outputs[0].shape
    if len(image) != 4 or None in image[1:]:
        raise ModelError(
            f"model {model.name}: the input must be (batch, height, width, bands) of "
            f"fixed size, got {tuple(image)}. Choose one with --size HEIGHTxWIDTH of "
            "`segshrink export`, or build it with an input_shape."
        )
    if len(logits) != 4 or tuple(logits[1:3]) != tuple(image[1:3]):
        raise ModelError(
            f"model {model.name}: the output must be logits (batch, {image[1]}, "
            f"{image[2]}, classes), got {tuple(logits)}."
        )
    return image[1], image[2]


def with_input_size(model: keras.Model, height_px: int, width_px: int) -> keras.Model:
    """The same model for images of another size; `model` itself if it has that size.

    Args:
        model: functional or sequential model of one image.
        height_px: height of its images in pixels.
        width_px: width of its images in pixels.

    Returns:
        A model of equal weights with input `(batch, height_px, width_px, bands)`.

    Raises:
        ModelError: if the model cannot take that size, or gives logits of another.
    """
    if len(model.inputs) != 1:
        raise ModelError(
            f"model {model.name}: one image in is needed, got {len(model.inputs)} "
            "inputs."
        )
    shape = tuple(model.inputs[0].shape)
    wanted = (None, height_px, width_px, *shape[3:])
    if shape == wanted:
        return model
    from segshrink.models.resizing import resized

    try:
        copy = resized(model, wanted[1:])
        fixed_input_shape(copy)
    except ModelError as error:
        raise ModelError(
            f"{error} Choose a height and width that the model's strides divide."
        ) from error
    except (ValueError, TypeError) as error:
        reason = first_line(error)
        raise ModelError(
            f"model {model.name}: cannot take images of {height_px} x {width_px} "
            f"pixels ({reason}). Choose a size that its strides divide, or train it "
            "with that size."
        ) from error
    return copy


def with_fixed_size(model: keras.Model) -> keras.Model:
    """The model for images of one size; `WINDOW_PX` where its own is open.

    Raises:
        ModelError: as `with_input_size`.
    """
    shape = tuple(model.inputs[0].shape)
    if len(shape) != 4 or None not in shape[1:3]:
        return model
    return with_input_size(model, shape[1] or WINDOW_PX, shape[2] or WINDOW_PX)


def in_float32(model: keras.Model) -> keras.Model:
    """The same function computed in float32; `model` itself if it already is.

    A model trained in mixed precision carries bfloat16 computation in its layers. On
    the processors these files are for, bfloat16 is emulated, and the converters would
    write a cast around every layer.
    """
    layers = model._flatten_layers(include_self=False)
    if all(layer.compute_dtype == "float32" for layer in layers):
        return model
    from segshrink.models import copy_model

    return copy_model(model, _clone_layer_in_float32)


def without_augmentation(model: keras.Model) -> keras.Model:
    """The same function without layers that change images in training only.

    Converters trace some of them as if the model was trained. `model` itself is
    returned if it has none.
    """
    layers = model._flatten_layers(include_self=False)
    if not any(_augments(layer) for layer in layers):
        return model
    from segshrink.models import copy_model

    return copy_model(model, _clone_without_augmentation)


def _augments(layer: keras.Layer) -> bool:
    name = type(layer).__name__
    # A random crop cuts the middle in inference, which is a change of its own.
    is_random = name.startswith("Random") and name != "RandomCrop"
    return is_random or name in ("RandAugment", "AugMix", "MixUp", "CutMix")


def _clone_without_augmentation(layer: keras.Layer) -> keras.Layer:
    import keras

    if _augments(layer):
        # It takes the same arguments, and does nothing in inference.
        return keras.layers.Dropout(0.0, name=layer.name)
    return layer.__class__.from_config(layer.get_config())


def for_onnx(model: keras.Model) -> keras.Model:
    """The same function in operations that the ONNX converter supports.

    On TensorFlow, Keras compiles grouped convolutions separately, holds statistics of
    Normalization outside of the graph, and computes GELU by erfc. The converter
    supports none of that.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return model
    from segshrink.export.onnx_layers import needs_stand_in, stand_in
    from segshrink.models import copy_model

    layers = model._flatten_layers(include_self=False)
    if not any(needs_stand_in(layer) for layer in layers):
        return model
    return copy_model(model, stand_in)


def _clone_layer_in_float32(layer: keras.Layer) -> keras.Layer:
    return layer.__class__.from_config({**layer.get_config(), "dtype": "float32"})
