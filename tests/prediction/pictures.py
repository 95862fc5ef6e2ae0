"""A model file whose predictions are known, and images for it."""

from pathlib import Path

import numpy as np
from PIL import Image

from segshrink.runtimes.artifact import Signature


class BrightnessArtifact:
    """Class 0 where red is low, 1 where it is high; stands for a model file."""

    runtime, runtime_version, threads = "none", "0", 1
    input_shape, num_bands, num_classes = (16, 16), 3, 3
    metadata = None
    signature = Signature((16, 16), 3, 3, False, False)

    def __init__(self, path=Path("brightness")):
        self.path = path
        self.calls = 0

    def predict(self, images):
        self.calls += 1
        red = images[..., 0].astype(np.float32)
        return np.stack([255 - red, red, np.full_like(red, -1)], axis=-1)


class ByPlaceArtifact(BrightnessArtifact):
    """Predicts something else at every place of a tile, so that blending shows."""

    def predict(self, images):
        self.calls += 1
        rows, columns = np.indices(images.shape[1:3])
        weights = np.stack([rows, columns, rows * columns % 7], axis=-1)
        return images.astype(np.float32) * (1 + 0.1 * weights)


def stripes(path, dark=10, size=(20, 30)):
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[:, dark:] = 250
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def noise(height, width, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width, 3), np.uint8)


def blotches(height, width, seed=0, side=8):
    """Blocks of one colour each, whose outlines are longer than a pixel."""
    generator = np.random.default_rng(seed)
    blocks = generator.integers(0, 256, (-(-height // side), -(-width // side), 3))
    return np.kron(blocks, np.ones((side, side, 1)))[:height, :width].astype(np.uint8)
