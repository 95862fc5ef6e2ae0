"""Networks to prune: a U-Net of known groups, and random ones for hypothesis."""

import keras
import numpy as np
from hypothesis import strategies as st
from keras import layers


def with_random_weights(model, seed=0):
    """Random weights everywhere, so that no bias, beta or mean is accidentally 0."""
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        if "variance" in weight.path:
            values = generator.uniform(0.5, 1.5, weight.shape)
        else:
            fan_in = int(np.prod(weight.shape[:-1])) or 1
            values = generator.normal(0, 1 / np.sqrt(fan_in), weight.shape)
        weight.assign(values)
    return model


def images(model, count=2, seed=1):
    shape = [8 if size is None else size for size in model.input_shape[1:]]
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype("float32")


def outputs(model, inputs):
    return keras.ops.convert_to_numpy(model(inputs, training=False))


def weights(model):
    return [keras.ops.convert_to_numpy(weight) for weight in model.weights]


def relative_difference(first, second):
    """Largest difference, relative to the largest value."""
    return np.abs(first - second).max() / np.abs(second).max()


def set_weights(layer, *values):
    layer.set_weights([np.array(value, dtype="float32") for value in values])


def conv_block(x, filters, name):
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_conv")(
        x
    )
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def small_unet():
    """A U-Net of one level with a residual bottom; 8 x 8 pixels, 3 classes."""
    image = keras.Input((8, 8, 3), name="image")
    down = conv_block(image, 16, "down")
    bottom = conv_block(layers.MaxPooling2D(name="pool")(down), 32, "bottom")
    inner = conv_block(bottom, 32, "inner")
    bottom = layers.Add(name="add")([bottom, inner])
    up = layers.Conv2DTranspose(16, 2, strides=2, name="up")(bottom)
    up = layers.Concatenate(name="join")([up, down])
    up = conv_block(up, 24, "top")
    logits = layers.Conv2D(3, 1, name="logits")(up)
    return with_random_weights(keras.Model(image, logits, name="small_unet"))


def chain(*body, shape=(8, 8, 3)):
    """A Sequential model with random weights."""
    model = keras.Sequential([keras.Input(shape), *body], name="chain")
    return with_random_weights(model)


FILTERS = (3, 8, 12, 16)


def _conv(draw, x):
    filters = draw(st.sampled_from(FILTERS))
    activation = draw(st.sampled_from(["relu", "sigmoid", "swish", None]))
    return layers.Conv2D(filters, 3, padding="same", activation=activation)(x)


def _normalized_conv(draw, x):
    x = layers.Conv2D(draw(st.sampled_from(FILTERS)), 1, use_bias=draw(st.booleans()))(
        x
    )
    center, scale = draw(st.booleans()), draw(st.booleans())
    x = layers.BatchNormalization(center=center, scale=scale)(x)
    return layers.LeakyReLU()(x)


def _depthwise(draw, x):
    multiplier = draw(st.sampled_from([1, 2]))
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=multiplier)(x)
    return layers.BatchNormalization()(x)


def _separable(draw, x):
    filters, multiplier = draw(st.sampled_from(FILTERS)), draw(st.sampled_from([1, 2]))
    return layers.SeparableConv2D(
        filters, 3, padding="same", depth_multiplier=multiplier, activation="elu"
    )(x)


def _residual(draw, x):
    merge = draw(st.sampled_from([layers.Add, layers.Maximum, layers.Average]))
    filters = x.shape[-1]
    return merge()([x, layers.Conv2D(filters, 1, activation="tanh")(x)])


def _dense_connection(draw, x):
    return layers.Concatenate()([x, _conv(draw, x)])


def _valley(draw, x):
    """Down, a convolution, up again and a concatenation with what was before."""
    y = (
        layers.MaxPooling2D()(x)
        if draw(st.booleans())
        else layers.AveragePooling2D(2)(x)
    )
    y = _conv(draw, y)
    if draw(st.booleans()):
        y = layers.UpSampling2D(interpolation="bilinear")(y)
    else:
        y = layers.Conv2DTranspose(draw(st.sampled_from(FILTERS)), 2, strides=2)(y)
    return layers.Concatenate()([y, x])


def _grouped(draw, x):
    x = layers.Conv2D(16, 1)(x)
    groups = draw(st.sampled_from([2, 4]))
    return layers.Conv2D(8, 3, padding="same", groups=groups, activation="relu")(x)


def _squeeze_excite(draw, x):
    keepdims = draw(st.booleans())
    gate = layers.GlobalAveragePooling2D(keepdims=keepdims)(x)
    gate = layers.Dense(8, activation="relu")(gate)
    gate = layers.Dense(x.shape[-1], activation="hard_sigmoid")(gate)
    if not keepdims:
        gate = layers.Reshape((1, 1, x.shape[-1]))(gate)
    return layers.Multiply()([x, gate])


def _attention(draw, x):
    return layers.Multiply()([x, layers.Conv2D(1, 1, activation="sigmoid")(x)])


def _shared(draw, x):
    conv = layers.Conv2D(8, 3, padding="same")
    left, right = layers.Conv2D(12, 1)(x), layers.Conv2D(12, 1, activation="relu")(x)
    if draw(st.booleans()):
        return layers.Subtract()([conv(left), conv(right)])
    return layers.Concatenate()([conv(left), conv(right)])


def _refolded(draw, x):
    """Two pixels beside each other become channels, and a sequence, and back."""
    _, height, width, channels = x.shape
    x = layers.Reshape((height, width // 2, channels * 2))(x)
    x = layers.Conv2D(8, 1)(x)
    x = layers.Reshape((-1, 8))(x)
    x = layers.Conv1D(16, 3, padding="same", activation="relu")(x)
    return layers.Reshape((height, width, 8))(x)


def _opaque(draw, x):
    """A layer without a rule, or one that mixes channels."""
    return draw(
        st.sampled_from(
            [
                layers.Softmax(),
                layers.Activation("softmax"),
                layers.TimeDistributed(layers.Dense(8)),
            ]
        )
    )(x)


def _slopes(draw, x):
    return layers.PReLU(shared_axes=draw(st.sampled_from([None, [1, 2], [1, 2, 3]])))(x)


def _border(draw, x):
    return layers.Cropping2D(1)(
        layers.ZeroPadding2D(1)(layers.SpatialDropout2D(0.1)(x))
    )


def _channel_norm(draw, x):
    groups = [count for count in (1, 2, 4) if x.shape[-1] % count == 0]
    group = layers.GroupNormalization(groups=draw(st.sampled_from([*groups, -1])))
    return draw(st.sampled_from([layers.LayerNormalization(), group]))(x)


def _operators(draw, x):
    """Arithmetic, and a cut of the channels that is put together in another order."""
    place = draw(st.integers(1, x.shape[-1] - 1))
    head, tail = x[..., :place], x[..., place:]
    return keras.ops.concatenate([keras.ops.relu(tail) * 0.5, 1.0 - head], axis=-1)


def _nested(draw, x):
    inner = keras.Input((None, None, x.shape[-1]))
    body = layers.Conv2D(x.shape[-1], 3, padding="same", activation="relu")(inner)
    block = keras.Model(inner, layers.Add()([inner, body]))
    return block(block(x)) if draw(st.booleans()) else block(x)


def _self_attention(draw, x):
    _, height, width, channels = x.shape
    y = layers.Reshape((height * width, channels))(x)
    y = layers.MultiHeadAttention(num_heads=2, key_dim=3)(y, y)
    return layers.Add()([x, layers.Reshape((height, width, channels))(y)])


STEPS = (
    _channel_norm,
    _operators,
    _nested,
    _self_attention,
    _conv,
    _normalized_conv,
    _depthwise,
    _separable,
    _residual,
    _dense_connection,
    _valley,
    _grouped,
    _squeeze_excite,
    _attention,
    _shared,
    _refolded,
    _opaque,
    _slopes,
    _border,
)


def _head(draw, x):
    kind = draw(st.sampled_from(["pixels", "flat", "pooled"]))
    if kind == "pixels":
        return layers.Conv2D(3, 1)(x)
    if kind == "flat":
        return layers.Dense(3)(layers.Dense(8)(layers.Flatten()(x)))
    return layers.Dense(3)(layers.GlobalMaxPooling2D()(x))


def random_network(draw):
    """A functional model of a few random steps with random weights.

    Args:
        draw: from a hypothesis strategy to a value, as `st.data().draw`.
    """
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(draw(st.sampled_from(FILTERS)), 3, padding="same")(image)
    for step in draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=5)):
        x = step(draw, x)
    return with_random_weights(keras.Model(image, _head(draw, x)))
