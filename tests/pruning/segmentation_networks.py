"""Small segmentation networks as people build them, with random weights.

Images are 64 x 64 pixels of 3 channels; outputs are logits of 4 classes at full size.
Layers take the data format that Keras is set to.
"""

import keras
from keras import layers, ops

from segshrink.models import build_model

from .networks import with_random_weights

SIDE = 64
CLASSES = 4


def image():
    first = keras.config.image_data_format() == "channels_first"
    return keras.Input((3, SIDE, SIDE) if first else (SIDE, SIDE, 3))


def axis():
    return 1 if keras.config.image_data_format() == "channels_first" else -1


def conv(x, filters, size=3, stride=1, dilation=1, act="relu", groups=1):
    x = layers.Conv2D(
        filters, size, stride, "same", dilation_rate=dilation, groups=groups,
        use_bias=False,
    )(x)  # fmt: skip
    x = layers.BatchNormalization(axis=axis())(x)
    return layers.Activation(act)(x) if act else x


def depthwise(x, size=3, stride=1, act="relu"):
    x = layers.DepthwiseConv2D(size, stride, "same", use_bias=False)(x)
    x = layers.BatchNormalization(axis=axis())(x)
    return layers.Activation(act)(x) if act else x


def enlarge(x, factor):
    return layers.UpSampling2D(factor, interpolation="bilinear")(x)


def join(*tensors):
    return layers.Concatenate(axis=axis())(list(tensors))


def logits(inputs, x, factor=1):
    x = layers.Conv2D(CLASSES, 1, name="logits")(x)
    x = enlarge(x, factor) if factor > 1 else x
    return with_random_weights(keras.Model(inputs, x))


def layers_that_make_classes(model):
    """Names of those that give the outputs, and must stay whole."""
    return {
        layer.name
        for layer in model.layers
        if getattr(layer, "filters", None) == CLASSES
    }


def unet():
    model = build_model(
        "unet", num_classes=CLASSES, input_shape=(SIDE, SIDE, 3), base_filters=16,
        levels=2,
    )  # fmt: skip
    return with_random_weights(model)


def unet_plus_plus():
    """Every node reads all nodes of its row, and the next row's enlarged."""
    inputs = image()
    widths = (16, 24, 32)
    rows = [[conv(inputs, widths[0])]]
    for width in widths[1:]:
        rows.append([conv(layers.MaxPooling2D(2)(rows[-1][0]), width)])
    for column in (1, 2):
        for row in range(3 - column):
            below = enlarge(rows[row + 1][column - 1], 2)
            rows[row].append(conv(join(*rows[row], below), widths[row]))
    return logits(inputs, rows[0][-1])


def deeplab():
    """Residual blocks, dilated branches, a pooled branch and a skip."""
    inputs = image()
    x = skip = conv(conv(inputs, 16, stride=2), 24, stride=2)
    for _ in range(2):
        y = conv(conv(x, 24), 24, act=None)
        x = layers.ReLU()(layers.Add()([x, y]))
    branches = [conv(x, 16, 1), *(conv(x, 16, dilation=rate) for rate in (2, 4))]
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(x)
    pooled = enlarge(conv(pooled, 16, 1), SIDE // 4)
    x = conv(join(*branches, pooled), 32, 1)
    x = enlarge(layers.Dropout(0.1)(x), 2)
    skip = enlarge(conv(skip, 16, 1), 2)
    return logits(inputs, conv(join(x, skip), 32), 2)


def inverted_residual(x, filters, expanded, stride=1, act="hard_swish"):
    """Expand, depthwise, squeeze and excite, project; as in MobileNetV3."""
    y = depthwise(conv(x, expanded, 1, act=act), stride=stride, act=act)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(y)
    gate = layers.Conv2D(8, 1, activation="relu")(gate)
    gate = layers.Conv2D(expanded, 1, activation="hard_sigmoid")(gate)
    y = conv(layers.Multiply()([y, gate]), filters, 1, act=None)
    same = stride == 1 and x.shape[axis()] == filters
    return layers.Add()([x, y]) if same else y


def lr_aspp():
    """LR-ASPP on a backbone like MobileNetV3's."""
    inputs = image()
    x = conv(inputs, 16, stride=2, act="hard_swish")
    x = low = inverted_residual(x, 16, 32, act="relu")
    x = inverted_residual(x, 24, 48, stride=2)
    x = inverted_residual(x, 24, 64)
    gate = layers.AveragePooling2D(SIDE // 4)(x)
    gate = layers.Activation("sigmoid")(layers.Conv2D(32, 1)(gate))
    x = layers.Multiply()([conv(x, 32, 1), enlarge(gate, SIDE // 4)])
    high = layers.Conv2D(CLASSES, 1)(enlarge(x, 2))
    low = layers.Conv2D(CLASSES, 1)(low)
    x = enlarge(layers.Add()([high, low]), 2)
    return with_random_weights(keras.Model(inputs, x))


def fast_scnn():
    """Learn to downsample, pyramid pooling, and fusion of two resolutions."""
    inputs = image()

    def separable(x, filters, stride=1):
        x = layers.SeparableConv2D(filters, 3, stride, "same", use_bias=False)(x)
        return layers.ReLU()(layers.BatchNormalization(axis=axis())(x))

    x = detail = separable(conv(inputs, 16, stride=2), 24, 2)
    for stride in (2, 1):
        y = conv(depthwise(conv(x, 48, 1), stride=stride), 24, 1, act=None)
        x = layers.Add()([x, y]) if stride == 1 else y
    pools = [
        enlarge(conv(layers.AveragePooling2D(size)(x), 8, 1), size) for size in (2, 4)
    ]
    x = enlarge(conv(join(x, *pools), 32, 1), 2)
    x = conv(depthwise(x), 32, 1, act=None)
    x = layers.ReLU()(layers.Add()([x, conv(detail, 32, 1, act=None)]))
    return logits(inputs, separable(x, 24), 4)


def segformer():
    """Overlapping patches, reduced attention, mixing convolutions, an MLP decoder."""
    inputs = keras.Input((SIDE, SIDE, 3))
    maps, x = [], inputs
    for side, width, heads, reduction in ((16, 16, 2, 4), (8, 32, 4, 2)):
        x = layers.Conv2D(width, 7, strides=x.shape[1] // side, padding="same")(x)
        x = layers.LayerNormalization()(ops.reshape(x, (-1, side * side, width)))
        y = layers.LayerNormalization()(x)
        small = ops.reshape(y, (-1, side, side, width))
        small = layers.Conv2D(width, reduction, strides=reduction)(small)
        small = layers.LayerNormalization()(layers.Reshape((-1, width))(small))
        y = layers.MultiHeadAttention(heads, width // heads)(y, small)
        x = x + y
        y = layers.Dense(2 * width)(layers.LayerNormalization()(x))
        y = layers.Reshape((side, side, 2 * width))(y)
        y = layers.DepthwiseConv2D(3, padding="same", activation="gelu")(y)
        y = layers.Dense(width)(layers.Reshape((side * side, 2 * width))(y))
        x = ops.reshape(x + y, (-1, side, side, width))
        maps.append(layers.Dense(24)(x))
    large = ops.image.resize(maps[1], (16, 16), data_format="channels_last")
    x = conv(ops.concatenate([maps[0], large], axis=-1), 24, 1)
    return logits(inputs, x, 4)


def nested():
    """An encoder and a head that are models themselves."""
    inside = image()
    x = conv(inside, 16)
    encoder = keras.Model(inside, [x, conv(x, 32, stride=2)], name="encoder")
    deep = keras.Input(encoder.output[1].shape[1:])
    head = keras.Sequential(
        [deep, layers.Conv2D(16, 3, padding="same"), layers.ReLU()], name="head"
    )
    inputs = image()
    shallow, deep = encoder(inputs)
    return logits(inputs, conv(join(shallow, enlarge(head(deep), 2)), 16))


def shared():
    """The same block, three times."""
    inputs = image()
    x = conv(inputs, 16)
    block = layers.Conv2D(16, 3, padding="same", activation="relu", name="block")
    x = layers.Add()([x, block(block(x))])
    return logits(inputs, conv(block(x), 24))


def two_in_two_out():
    """Two images fused; a mask and its edges."""
    first, second = image(), image()
    x = layers.Maximum()([conv(first, 16), conv(second, 16)])
    x = conv(join(x, conv(x, 24)), 32)
    outputs = [layers.Conv2D(CLASSES, 1, name=name)(x) for name in ("mask", "edges")]
    return with_random_weights(keras.Model([first, second], outputs))


NETWORKS = {
    build.__name__: build
    for build in (
        unet, unet_plus_plus, deeplab, lr_aspp, fast_scnn, segformer, nested, shared,
        two_in_two_out,
    )
}  # fmt: skip
