"""Students and teachers in distillers, and what training did to them."""

import keras
import numpy as np
from keras import layers, ops

from segshrink.data import IGNORE_INDEX
from segshrink.distillation import (
    DIST,
    AttentionTransfer,
    ChannelWise,
    Distiller,
    FeatureHint,
    PairwiseSimilarity,
    PixelKL,
    Term,
    match_layers,
)
from segshrink.objectives import CrossEntropy

from .networks import SIDE_PX, network

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (4, SIDE_PX, SIDE_PX, 3)).astype(np.uint8)
LABELS = GENERATOR.integers(0, 3, (4, SIDE_PX, SIDE_PX)).astype(np.uint8)
LABELS[:, :2] = IGNORE_INDEX
VALID = LABELS != IGNORE_INDEX
# With insides and borders, for what depends on those.
BLOCKS = np.zeros((4, SIDE_PX, SIDE_PX), np.uint8)
BLOCKS[:, 5:] = 1
BLOCKS[:, :, 6:] = 2
BLOCKS[1:, :1] = IGNORE_INDEX
LOGITS = GENERATOR.normal(size=(4, SIDE_PX, SIDE_PX, 3)).astype(np.float32)


def valley(seed=0, filters=4, *, norm=True, dropout=0.0, kernels="glorot_uniform"):
    """Down, up, and a skip: maps at full and half resolution."""
    keras.utils.set_random_seed(seed)

    def conv(filters, name, x):
        return layers.Conv2D(
            filters, 3, padding="same", kernel_initializer=kernels, name=name
        )(x)

    images = keras.Input((SIDE_PX, SIDE_PX, 3), name="images")
    x = conv(filters, "first", layers.Rescaling(1 / 255, name="rescaled")(images))
    x = layers.BatchNormalization(name="norm")(x) if norm else x
    skip = x = layers.Activation("tanh", name="skip")(x)
    x = layers.MaxPooling2D(2, name="pool")(layers.Dropout(dropout, name="drop")(x))
    x = conv(2 * filters, "deep", x)
    x = layers.BatchNormalization(name="deep_norm")(x) if norm else x
    x = layers.Activation("tanh", name="bottom")(x)
    x = layers.UpSampling2D(2, name="up")(x)
    x = conv(filters, "last", layers.Concatenate(name="joined")([x, skip]))
    return keras.Model(images, conv(3, "logits", x), name="valley")


def pair(terms=None, *, student=None, teacher=None, **options):
    """A distiller, and the student and teacher in it."""
    terms = [Term(PixelKL(2.0))] if terms is None else terms
    student = network(1, filters=2) if student is None else student
    teacher = network(2, filters=6) if teacher is None else teacher
    options = {"supervised": CrossEntropy()} | options
    return Distiller(student, teacher, terms=terms, **options), student, teacher


def valleys(terms, *, norm=True, filters=2, **options):
    """The same with maps of two resolutions; `terms` of the pairs of layers."""
    student, teacher = valley(1, filters, norm=norm), valley(2, 5, norm=norm)
    chosen = terms(match_layers(teacher, student))
    return pair(chosen, student=student, teacher=teacher, **options)


def every_loss(matches):
    """On logits, and on maps of two resolutions."""
    features = matches.select("encoder", "bottleneck")
    return [
        Term(PixelKL(2.0), 0.5),
        Term(ChannelWise(), 0.25),
        Term(DIST(), 0.3),
        Term(FeatureHint(), 0.7, features),
        Term(AttentionTransfer(), 2.0, features),
        Term(PairwiseSimilarity(), 1.5, matches.select("decoder")),
    ]


def fixed_projections(distiller, seed=7):
    """The same projections in each distiller, and no bias of 0."""
    generator = np.random.default_rng(seed)
    ours = {id(weight) for weight in distiller.student.weights}
    for weight in distiller.trainable_variables:
        if id(weight) not in ours:
            weight.assign(generator.normal(0, 0.5, weight.shape))


def trained(
    distiller, *, steps=1, optimizer=None, images=IMAGES, labels=LABELS, **options
):
    # Eagerly, since tracing takes longer than these few steps.
    distiller.compile(optimizer or keras.optimizers.SGD(0.1), run_eagerly=True)
    logs = []
    for _ in range(steps):
        distiller.reset_metrics()
        logs.append(
            distiller.train_on_batch(images, labels, return_dict=True, **options)
        )
    return [{name: float(value) for name, value in each.items()} for each in logs]


def values_of(model):
    return [ops.convert_to_numpy(variable) for variable in model.variables]


def assert_same(ours, theirs, **tolerance):
    for one, other in zip(values_of(ours), values_of(theirs), strict=True):
        if tolerance:
            np.testing.assert_allclose(one, other, **tolerance)
        else:
            np.testing.assert_array_equal(one, other)


def features(model, name, images=IMAGES, training=False):
    """A layer's map, without the code under test."""
    inner = keras.Model(model.input, model.get_layer(name).output)
    return ops.convert_to_numpy(inner(images, training=training))


def bilinear(maps, size):
    """Half-pixel centres, edges repeated; loops over lines."""
    for axis, length in ((1, size[0]), (2, size[1])):
        before = maps.shape[axis]
        lines = []
        for place in range(length):
            at = np.clip((place + 0.5) * before / length - 0.5, 0, before - 1)
            low = int(at)
            parts = [maps.take(min(low + i, before - 1), axis=axis) for i in (0, 1)]
            lines.append(parts[0] * (1 - at + low) + parts[1] * (at - low))
        maps = np.stack(lines, axis=axis)
    return maps


def projected(distiller, maps, index):
    """By the projections in their order: kernels (1, 1, in, out), then bias."""
    ours = {id(weight) for weight in distiller.student.weights}
    weights = [
        ops.convert_to_numpy(weight)
        for weight in distiller.trainable_variables
        if id(weight) not in ours
    ]
    kernel, bias = weights[2 * index : 2 * index + 2]
    return maps @ kernel[0, 0] + bias
