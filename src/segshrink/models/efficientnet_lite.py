"""EfficientNet-Lite with a U-Net decoder: a teacher pretrained on ImageNet."""

import math
from typing import Any

import keras
from keras import layers

from segshrink.models.imagenet import efficientnet_lite_weights, for_bands
from segshrink.models.input_size import check_input_shape
from segshrink.models.normalization import batch_normalization

# Blocks, kernel, stride, expansion and filters of each stage.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# Factor of the filters and factor of the blocks of each variant.
_SCALES = ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2))
_STEM_FILTERS = 32
# Filters of the decoder at strides 16, 8, 4 and 2.
_DECODER = (128, 64, 48, 32)


def efficientnet_lite(
    *,
    num_classes: int,
    input_shape: tuple[int, int, int] = (256, 256, 3),
    variant: int = 1,
    weights: str | None = "imagenet",
    dropout: float = 0.2,
) -> keras.Model:
    """Build a U-Net whose encoder is EfficientNet-Lite 0, 1 or 2.

    A teacher with few labelled images needs pretraining; this encoder starts from
    weights learnt on ImageNet. It has ReLU6 and no squeeze-and-excitation, so that it
    can be pruned, exported and quantized like any other model here. The decoder goes
    from stride 32 to stride 2; the logits there are upsampled.
    References: Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional
    Neural Networks, 2019; Ronneberger, Fischer, Brox, U-Net, 2015 (decoder).

    Args:
        num_classes: int > 0, channels of the output.
        input_shape: (height, width, bands) in pixels; height and width divisible by 32.
        variant: 0, 1 or 2; each has more blocks than the one before, 2 also more
            filters.
        weights: "imagenet" reads pretrained weights from an installed package, see
            `segshrink.models.imagenet`; None initializes at random. The first
            convolution is adapted to bands other than RGB, see `for_bands` there.
        dropout: share in [0, 1) of the coarsest channels dropped in training.

    Input shape:
        RGB or other bands `(batch, height, width, bands)`, 0 to 255; rescaled
        inside.

    Output shape:
        Logits `(batch, height, width, num_classes)`, float32.

    Raises:
        ValueError: if an argument is out of range or `input_shape` does not fit.
        UsageError: if the package with the weights is not installed.
        ModelError: if its file is not the published one.
    """
    if variant not in range(len(_SCALES)):
        raise ValueError(f"variant must be 0, 1 or 2, got {variant}.")
    if weights not in ("imagenet", None):
        raise ValueError(f'weights must be "imagenet" or None, got {weights!r}.')
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be at least 0 and below 1, got {dropout}.")
    check_input_shape(input_shape, divisor=32, why="the encoder's coarsest stride")

    images = keras.Input(input_shape, name="images")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="rescaling")(images)
    skips, x = _encoder(x, *_SCALES[variant])
    if dropout:
        x = layers.SpatialDropout2D(dropout, name="bottleneck_dropout")(x)
    x = _decoder(x, skips)
    # The loss needs full precision even where the layers compute in bfloat16.
    x = layers.Conv2D(num_classes, 1, dtype="float32", name="coarse_logits")(x)
    logits = layers.UpSampling2D(
        2, interpolation="bilinear", dtype="float32", name="logits"
    )(x)
    model = keras.Model(images, logits, name="efficientnet_lite")
    if weights == "imagenet":
        pretrained = efficientnet_lite_weights(variant)
        pretrained["stem_conv"] = [
            for_bands(kernel, input_shape[2]) for kernel in pretrained["stem_conv"]
        ]
        for layer, values in pretrained.items():
            model.get_layer(layer).set_weights(values)
    return model


def _encoder(x: Any, width: float, depth: float) -> tuple[list[Any], Any]:
    """Features at strides 2, 4, 8 and 16, and those at stride 32."""
    x = layers.Conv2D(
        _STEM_FILTERS, 3, strides=2, padding="same", use_bias=False, name="stem_conv"
    )(x)
    x = _norm_and_activation(x, "stem_conv")
    skips: list[Any] = []
    index = 0
    for stage, (blocks, kernel, stride, expansion, filters) in enumerate(_STAGES):
        # The first and the last stage have one block in every variant.
        if 0 < stage < len(_STAGES) - 1:
            blocks = math.ceil(blocks * depth)
        if stride == 2:
            skips.append(x)
        for block in range(blocks):
            x = _inverted_residual(
                x,
                _rounded(filters * width),
                f"block_{index}",
                kernel=kernel,
                stride=stride if block == 0 else 1,
                expansion=expansion,
            )
            index += 1
    return skips, x


def _inverted_residual(
    x: Any, filters: int, name: str, *, kernel: int, stride: int, expansion: int
) -> Any:
    inputs, channels = x, x.shape[-1]
    if expansion > 1:
        x = _pointwise(x, channels * expansion, f"{name}_expand")
        x = layers.ReLU(6.0, name=f"{name}_expand_relu6")(x)
    x = layers.DepthwiseConv2D(
        kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise"
    )(x)
    x = _norm_and_activation(x, f"{name}_depthwise")
    x = _pointwise(x, filters, f"{name}_project")
    if stride == 1 and channels == filters:
        x = layers.Add(name=f"{name}_add")([inputs, x])
    return x


def _decoder(x: Any, skips: list[Any]) -> Any:
    """Merge the features from the coarsest to the finest."""
    for level, filters in zip(range(len(skips), 0, -1), _DECODER, strict=True):
        name = f"decoder_{level}"
        # Projecting first is the same as after upsampling, at a quarter of the work.
        x = _pointwise(x, filters, f"{name}_project")
        x = layers.ReLU(6.0, name=f"{name}_project_relu6")(x)
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_upsample")(x)
        x = layers.Concatenate(name=f"{name}_concat")([x, skips[level - 1]])
        x = layers.Conv2D(
            filters,
            3,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"{name}_conv",
        )(x)
        x = _norm_and_activation(x, f"{name}_conv")
    return x


def _pointwise(x: Any, filters: int, name: str) -> Any:
    x = layers.Conv2D(
        filters, 1, use_bias=False, kernel_initializer="he_normal", name=name
    )(x)
    return batch_normalization(x, f"{name}_norm")


def _norm_and_activation(x: Any, name: str) -> Any:
    x = batch_normalization(x, f"{name}_norm")
    return layers.ReLU(6.0, name=f"{name}_relu6")(x)


def _rounded(filters: float) -> int:
    """Round to a multiple of 8, down by at most a tenth."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded
