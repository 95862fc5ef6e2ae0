"""Teachers, images and readers of a cache, for its tests."""

import keras
import numpy as np
from keras import layers

from segshrink.progress import SilentProgress

TILE_PX = 8
SIZES = [(16, 16), (13, 21), (5, 6)]
VIEWS = {"views": 3, "photometric": 0.4}


class Counted(keras.Model):
    """Counts its calls."""

    times = 0

    def predict_on_batch(self, x):
        self.times += 1
        return super().predict_on_batch(x)

    def __call__(self, *arguments, **options):
        self.times += 1
        return super().__call__(*arguments, **options)


def pointwise(seed=0, *, tile_px=TILE_PX, classes=3, bias=0.0, activation=None):
    """A pointwise teacher, whose logits do not depend on tiles."""
    keras.utils.set_random_seed(seed)
    images = keras.Input((tile_px, tile_px, 3), name="images")
    x = layers.Rescaling(1 / 64, name="rescaled")(images)
    x = layers.Conv2D(classes, 1, activation=activation, name="logits")(x)
    model = Counted(images, x, name="pointwise")
    kernel = np.random.default_rng(seed).normal(size=(1, 1, 3, classes))
    model.get_layer("logits").set_weights([kernel, np.full(classes, bias)])
    return model


def in_context(seed=0):
    """A teacher with a neighbourhood, which differs between training and inference."""
    keras.utils.set_random_seed(seed)
    images = keras.Input((TILE_PX, TILE_PX, 3), name="images")
    x = layers.Rescaling(1 / 255, name="rescaled")(images)
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Dropout(0.5, name="drop")(x)
    return Counted(images, layers.Conv2D(3, 1, name="logits")(x), name="in_context")


def pixels_of(part, index):
    return part[index].read()[0]


def logits_of(teacher, image):
    """Logits of a pointwise teacher, in NumPy."""
    kernel, bias = teacher.get_layer("logits").get_weights()
    return image / 64 @ kernel[0, 0].astype(float) + bias


def block_means(values, stride):
    """Means of squares that may be cut, square by square."""
    rows, columns = (-(-side // stride) for side in values.shape[:2])
    means = np.empty((rows, columns, values.shape[2]))
    for row in range(rows):
        for column in range(columns):
            top, left = stride * row, stride * column
            square = values[top : top + stride, left : left + stride]
            means[row, column] = square.mean(axis=(0, 1))
    return means


def assert_to_half_precision(stored, expected):
    assert stored.dtype == np.float16
    np.testing.assert_allclose(stored, expected, rtol=2**-11 * 1.01, atol=2e-5)


def all_maps(cache, part):
    return {
        (index, view): np.array(cache.get(index, view))
        for index in range(len(part))
        for view in range(cache.views)
    }


def assert_same_maps(cache, other, part):
    ours, theirs = all_maps(cache, part), all_maps(other, part)
    for place, stored in ours.items():
        np.testing.assert_array_equal(stored, theirs[place])


def files_in(folder):
    """Content and time of every file, which changes when one is written."""
    return {
        path.relative_to(folder): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def maps_in(folder):
    return sorted(folder.glob("*.npy"))


class Listener(SilentProgress):
    """Records the progress that it receives."""

    def __init__(self):
        self.said = []
        self.total = self.advanced = self.finished = 0

    @property
    def text(self):
        return "\n".join(self.said)

    def say(self, text):
        self.said.append(text)

    def start(self, label, total):
        self.total = total

    def advance(self, steps=1, **facts):
        self.advanced += steps

    def finish(self):
        self.finished += 1
