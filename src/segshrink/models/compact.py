"""A compact student for CPUs and small boards."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from segshrink.models.input_size import check_input_shape
from segshrink.models.normalization import batch_normalization

# The coarse stages have a wide view at little cost, so they get most of the blocks.
BLOCKS = (1, 2, 3, 3)


def compact(
    *,
    num_classes: int,
    input_shape: tuple[int, int, int] = (256, 256, 3),
    width: int = 32,
    stem_stride: int = 2,
    logits_stride: int | None = None,
    blocks: Sequence[int] = BLOCKS,
) -> keras.Model:
    """Build an encoder-decoder of depthwise-separable convolutions.

    It is fast because only the first convolution runs at full resolution, features are
    projected to fewer channels before they are upsampled, skips are added rather than
    concatenated, and every operation (3x3 and 5x5 depthwise, 1x1, ReLU6, bilinear
    doubling, addition) has a kernel in XNNPACK, in float and in int8. ReLU6 bounds the
    activations, so that int8 loses little.
    References: Howard and others, MobileNets, 2017 (blocks); Lin and others, Feature
    Pyramid Networks for Object Detection, 2017 (decoder).

    Args:
        num_classes: int > 0, channels of the output.
        input_shape: (height, width, bands) in pixels; height and width divisible by
            `8 * stem_stride`.
        width: int, positive multiple of 8; channels of the finest stage, doubled at
            each of the three coarser ones.
        stem_stride: 2 or 4, stride of the finest stage in image pixels. 4 has about a
            quarter of the multiplications and blurs objects of a few pixels.
        logits_stride: stride of the logits before they are upsampled, in image pixels;
            None is `stem_stride`. 2 after a stem of 4 merges the first convolution's
            features too, for sharper edges at some more time and hardly more weights.
        blocks: four ints > 0, depthwise-separable blocks in each stage of the encoder,
            finest first. One more costs about as much time in any of them, and a
            quarter of the weights of one in the next coarser stage.

    Input shape:
        RGB or other bands `(batch, height, width, bands)`, 0 to 255; rescaled
        inside.

    Output shape:
        Logits `(batch, height, width, num_classes)`, float32.

    Raises:
        ValueError: if an argument is out of range or `input_shape` does not fit.
    """
    if width < 8 or width % 8:
        raise ValueError(f"width must be a positive multiple of 8, got {width}.")
    if stem_stride not in (2, 4):
        raise ValueError(f"stem_stride must be 2 or 4, got {stem_stride}.")
    logits_stride = stem_stride if logits_stride is None else logits_stride
    if logits_stride not in (2, stem_stride):
        allowed = "2 or 4" if stem_stride == 4 else "2"
        raise ValueError(
            f"logits_stride must be {allowed}, that of the stem, got {logits_stride}."
        )
    if len(blocks) != 4 or min(blocks) < 1:
        raise ValueError(f"blocks must be four ints > 0, got {tuple(blocks)}.")
    check_input_shape(input_shape, divisor=8 * stem_stride, why="8 * stem_stride")

    images = keras.Input(input_shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(images)
    stem = _stem(x, width // 2)
    x = stem
    if stem_stride == 4:
        x = _separable(x, width // 2, "stem_halving", stride=2)
    x = _decoder(_encoder(x, width, blocks))
    if logits_stride < stem_stride:
        x = _merged(x, stem, "decoder_0")
    # The loss needs full precision even where the layers compute in bfloat16.
    x = layers.Conv2D(num_classes, 1, dtype="float32", name="coarse_logits")(x)
    logits = layers.UpSampling2D(
        logits_stride, interpolation="bilinear", dtype="float32", name="logits"
    )(x)
    return keras.Model(images, logits, name="compact")


def _stem(x: Any, filters: int) -> Any:
    x = layers.Conv2D(
        filters,
        3,
        strides=2,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name="stem_conv",
    )(x)
    return _norm_and_activation(x, "stem_conv")


def _encoder(x: Any, width: int, blocks: Sequence[int]) -> list[Any]:
    """Features of the four stages, finest first."""
    stages = []
    for index, count in enumerate(blocks):
        filters, stage = width * 2**index, f"encoder_{index + 1}"
        # At the coarsest stage a 5x5 kernel costs little and widens the view.
        kernel = 5 if index == len(blocks) - 1 else 3
        stride = 1 if index == 0 else 2
        x = _separable(x, filters, f"{stage}_block_1", stride=stride, kernel=kernel)
        for block in range(2, count + 1):
            name = f"{stage}_block_{block}"
            residual = _separable(x, filters, name, kernel=kernel)
            x = layers.Add(name=f"{name}_add")([x, residual])
        stages.append(x)
    return stages


def _decoder(stages: list[Any]) -> Any:
    """Merge the stages from the coarsest to the finest."""
    *finer, x = stages
    for level in range(len(finer), 0, -1):
        x = _merged(x, finer[level - 1], f"decoder_{level}")
    return x


def _merged(x: Any, skip: Any, name: str) -> Any:
    """Upsample features to twice the resolution and add those of the encoder."""
    filters = skip.shape[-1]
    # Projecting first is the same as after upsampling, at a quarter of the work.
    x = _pointwise(x, filters, f"{name}_project")
    x = layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_upsample")(x)
    x = layers.Add(name=f"{name}_add")([x, skip])
    return _separable(x, filters, f"{name}_block")


def _separable(
    x: Any, filters: int, name: str, *, stride: int = 1, kernel: int = 3
) -> Any:
    x = layers.DepthwiseConv2D(
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_depthwise",
    )(x)
    x = _norm_and_activation(x, f"{name}_depthwise")
    return _pointwise(x, filters, f"{name}_pointwise")


def _pointwise(x: Any, filters: int, name: str) -> Any:
    x = layers.Conv2D(
        filters, 1, use_bias=False, kernel_initializer="he_normal", name=name
    )(x)
    return _norm_and_activation(x, name)


def _norm_and_activation(x: Any, name: str) -> Any:
    x = batch_normalization(x, f"{name}_norm")
    return layers.ReLU(6.0, name=f"{name}_relu6")(x)
