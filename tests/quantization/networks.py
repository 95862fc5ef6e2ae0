"""Small models for the tests of quantization."""

import keras
import numpy as np
from keras import layers


def blocky_network(seed: int = 3, side_px: int = 32, classes: int = 3):
    """Every way in which calls become one operation, and some in which they do not."""
    keras.utils.set_random_seed(seed)
    images = keras.Input((side_px, side_px, 3), name="images")
    x = layers.Rescaling(1 / 255, name="rescaling")(images)
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="first")(x)
    x = layers.BatchNormalization(name="first_norm")(x)
    skip = layers.ReLU(name="first_relu")(x)
    x = layers.MaxPooling2D(2, name="pool")(skip)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.ReLU(6.0, name="depthwise_relu6")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    x = layers.Conv2D(8, 1, activation="relu", name="pointwise")(x)
    x = layers.Conv2DTranspose(8, 2, strides=2, name="up")(x)
    x = layers.Add(name="add")([x, skip])
    x = layers.Activation("relu", name="add_relu")(x)
    x = layers.Concatenate(name="joined")([x, skip])
    model = keras.Model(images, layers.Conv2D(classes, 1, name="logits")(x))
    random = np.random.default_rng(seed)
    norm = model.get_layer("first_norm")
    norm.set_weights(
        [
            random.uniform(0.5, 1.5, 8),
            random.normal(0, 0.2, 8),
            random.normal(0, 0.2, 8),
            random.uniform(0.5, 1.5, 8),
        ]
    )
    return model


def scaled_channels(model, spread: float):
    """The same function, with ranges of first_relu's channels from 1 to `spread`."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    norm, reader = copy.get_layer("norm"), copy.get_layer("second")
    gamma, beta, mean, variance = norm.get_weights()
    factors = np.geomspace(1, spread, len(gamma))
    norm.set_weights([gamma * factors, beta * factors, mean, variance])
    kernel, *bias = reader.get_weights()
    reader.set_weights([kernel / factors[:, None], *bias])
    return copy


def two_convolutions(side_px: int = 32, classes: int = 3, filters: int = 8):
    """Convolution, normalization and ReLU, twice, then logits."""
    images = keras.Input((side_px, side_px, 3), name="images")
    x = layers.Rescaling(1 / 255, name="rescaling")(images)
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name="first")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.Conv2D(filters, 3, padding="same", name="second")(x)
    x = layers.ReLU(name="second_relu")(x)
    return keras.Model(images, layers.Conv2D(classes, 1, name="logits")(x))
