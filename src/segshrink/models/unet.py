"""U-Net: the default teacher, and the published baseline."""

from typing import Any

import keras
from keras import layers

from segshrink.models.input_size import check_input_shape
from segshrink.models.normalization import batch_normalization


def unet(
    *,
    num_classes: int,
    input_shape: tuple[int, int, int] = (256, 256, 3),
    base_filters: int = 16,
    levels: int = 4,
    norm: str | None = "batch",
    activation: str = "relu",
    dropout: float = 0.1,
) -> keras.Model:
    """Build a U-Net for images of any number of bands.

    Each level has two 3x3 convolutions with dropout between them. Going down, levels
    end in 2x2 max-pooling and double the filters; going up, a transposed 2x2
    convolution of stride 2 halves them and the features of the same level are
    concatenated. With `norm=None`, 16 filters, 4 levels and 6 classes it has exactly
    the 1,941,190 parameters of the widespread Keras U-Net.
    Reference: Ronneberger, Fischer, Brox, U-Net: Convolutional Networks for Biomedical
    Image Segmentation, 2015 (there without padding or dropout at every level).

    Args:
        num_classes: int > 0, channels of the output.
        input_shape: (height, width, bands) in pixels; height and width divisible by
            `2 ** levels`.
        base_filters: int > 0, filters at full resolution; doubled at each level down.
        levels: int > 0, how many times the resolution is halved.
        norm: "batch" puts batch normalization after each 3x3 convolution, which then
            has no bias; None leaves it out.
        activation: name of a Keras activation after each 3x3 convolution; "linear" puts
            no layer there, so that only max-pooling is not linear.
        dropout: share in [0, 1) of activations dropped between the two convolutions
            of a level; 0 leaves dropout out.

    Input shape:
        RGB or other bands `(batch, height, width, bands)`, 0 to 255; rescaled
        inside.

    Output shape:
        Logits `(batch, height, width, num_classes)`, float32.

    Raises:
        ValueError: if an argument is out of range or `input_shape` does not fit.
    """
    _check(base_filters, levels, norm, dropout)
    check_input_shape(input_shape, divisor=2**levels, why="2 ** levels")

    def block(x: Any, filters: int, name: str) -> Any:
        x = _convolution(x, filters, norm, activation, f"{name}_conv_1")
        if dropout:
            x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
        return _convolution(x, filters, norm, activation, f"{name}_conv_2")

    images = keras.Input(input_shape, name="images")
    x = layers.Rescaling(1 / 255, name="rescaling")(images)
    skips = []
    for level in range(1, levels + 1):
        x = block(x, base_filters * 2 ** (level - 1), f"encoder_{level}")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"encoder_{level}_pool")(x)
    x = block(x, base_filters * 2**levels, "bottleneck")
    for level in range(levels, 0, -1):
        filters, name = base_filters * 2 ** (level - 1), f"decoder_{level}"
        x = layers.Conv2DTranspose(filters, 2, strides=2, name=f"{name}_upsample")(x)
        x = layers.Concatenate(name=f"{name}_concat")([x, skips.pop()])
        x = block(x, filters, name)
    # The loss needs full precision even where the layers compute in bfloat16.
    logits = layers.Conv2D(num_classes, 1, dtype="float32", name="logits")(x)
    return keras.Model(images, logits, name="unet")


def _convolution(
    x: Any, filters: int, norm: str | None, activation: str, name: str
) -> Any:
    x = layers.Conv2D(
        filters,
        3,
        padding="same",
        use_bias=norm is None,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    if norm == "batch":
        x = batch_normalization(x, f"{name}_norm")
    if activation == "linear":
        return x
    return layers.Activation(activation, name=f"{name}_{activation}")(x)


def _check(base_filters: int, levels: int, norm: str | None, dropout: float) -> None:
    for name, value in (("base_filters", base_filters), ("levels", levels)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}.")
    if norm not in ("batch", None):
        raise ValueError(f'norm must be "batch" or None, got {norm!r}.')
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be at least 0 and below 1, got {dropout}.")
