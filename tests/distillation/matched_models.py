"""Models whose feature maps are matched, for the tests of that."""

import keras
from keras import layers

from pruning.networks import with_random_weights
from segshrink.models import build_model

SIDE_PX = 64


def build(name, *, shape=(SIDE_PX, SIDE_PX, 3), **options):
    return build_model(name, num_classes=4, input_shape=shape, **options)


def unet(base_filters=8, levels=4, **options):
    return build("unet", base_filters=base_filters, levels=levels, **options)


def triples(matches):
    return [(pair.role, pair.teacher, pair.student) for pair in matches]


def shape_of(model, name):
    return tuple(model.get_layer(name).output.shape[1:])


def sequential(name="chain"):
    return keras.Sequential(
        [
            keras.Input((SIDE_PX, SIDE_PX, 3)),
            layers.Rescaling(1 / 255, name="rescaled"),
            layers.Conv2D(4, 3, padding="same", activation="relu", name="fine"),
            layers.MaxPooling2D(name="pool"),
            layers.Conv2D(8, 3, padding="same", name="coarse"),
            layers.UpSampling2D(name="up"),
            layers.Conv2D(4, 3, padding="same", name="last"),
            layers.Conv2D(4, 1, name="logits"),
        ],
        name=name,
    )


def valley(bottom):
    """An encoder, something at its bottom, and a decoder without skips."""
    images = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="before")(images)
    x = bottom(layers.MaxPooling2D(name="pool")(x))
    x = layers.Conv2D(8, 3, padding="same", name="bottom")(x)
    x = layers.Conv2D(8, 3, padding="same", name="after")(layers.UpSampling2D()(x))
    return with_random_weights(keras.Model(images, layers.Conv2D(3, 1)(x)))
