"""Models small enough to convert in a second, with every layer of a real U-Net."""

import keras
import numpy as np
from keras import layers


def tiny_unet(num_classes=4, size_px=32, activation="relu", upsampling="transposed"):
    """One level of a U-Net with batch statistics that are not the initial ones."""
    keras.utils.set_random_seed(3)
    image = keras.Input((size_px, size_px, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    skip = _block(x, 8, activation)
    x = layers.MaxPooling2D()(skip)
    x = layers.Dropout(0.3)(_block(x, 16, activation))
    if upsampling == "transposed":
        x = layers.Conv2DTranspose(8, 2, strides=2, padding="same")(x)
    else:
        x = layers.UpSampling2D(interpolation="bilinear")(x)
    x = _block(layers.Concatenate()([x, skip]), 8, activation)
    model = keras.Model(image, layers.Conv2D(num_classes, 1)(x), name="tiny")
    _settle_batch_statistics(model)
    return model


def _block(x, filters, activation):
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    return layers.Activation(activation)(layers.BatchNormalization()(x))


def _settle_batch_statistics(model):
    random = np.random.default_rng(4)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            channels = layer.gamma.shape[0]
            layer.set_weights(
                [
                    random.uniform(0.5, 1.5, channels),
                    random.normal(0, 0.2, channels),
                    random.normal(0, 0.2, channels),
                    random.uniform(0.5, 1.5, channels),
                ]
            )


def blotchy_images(count, size_px=32, seed=0):
    """uint8 RGB images of coloured blotches with noise."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (count, size_px // 8, size_px // 8, 3))
    fine = coarse.repeat(8, axis=1).repeat(8, axis=2)
    noise = random.normal(0, 10, fine.shape)
    return np.clip(fine + noise, 0, 255).astype(np.uint8)
