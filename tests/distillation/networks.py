"""Small models for the tests of distillation."""

import keras

SIDE_PX = 8


def network(seed: int = 0, *, filters: int = 4, classes: int = 3, dropout: float = 0.0):
    """Convolution, batch normalization, dropout, convolution."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    images = keras.Input((SIDE_PX, SIDE_PX, 3))
    x = layers.Rescaling(1 / 255)(images)
    x = layers.Conv2D(filters, 3, padding="same", activation="relu", name="first")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(images, layers.Conv2D(classes, 1, name="logits")(x))
