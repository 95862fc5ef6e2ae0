"""Images whose masks say where red is above a level, and models that see it."""

import numpy as np
from keras import layers
from PIL import Image

# A pixel is foreground where red is above a level that is not the models' own, so that
# the mean IoU is neither 0 nor 1.
TRUE_LEVEL, LEVEL = 100, 130
LIMIT = LEVEL + 0.5
RED = [[0.2], [0.0], [0.0]]
RED_OR_NOT = [[-0.1, 0.1], [0.0, 0.0], [0.0, 0.0]]
TESTED = (6, 7)


def picture(number, height_px, width_px):
    generator = np.random.default_rng(number)
    coarse = generator.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width_px, height_px)))


def write_folder(root, *size_px):
    """A data set of images of one size, in parts."""
    for part, numbers in {"train": range(4), "val": (4, 5), "test": TESTED}.items():
        for kind in ("images", "masks"):
            (root / part / kind).mkdir(parents=True)
        for number in numbers:
            pixels = picture(number, *size_px)
            mask = (pixels[..., 0] > TRUE_LEVEL).astype(np.uint8)
            Image.fromarray(pixels).save(root / part / "images" / f"{number}.png")
            Image.fromarray(mask).save(root / part / "masks" / f"{number}.png")
    return root


def expected_miou(*size_px):
    """By a loop over the pixels of the test images."""
    counts = np.zeros((2, 2), int)
    for number in TESTED:
        for red in picture(number, *size_px)[..., 0].ravel():
            counts[int(red > TRUE_LEVEL), int(red > LEVEL)] += 1
    unions = counts.sum(0) + counts.sum(1) - np.diag(counts)
    return (np.diag(counts) / unions).mean()


def conv(weights, bias, **options):
    """A convolution of single pixels with these weights, `(bands, channels)`."""
    layer = layers.Conv2D(np.shape(weights)[1], 1, **options)
    first = options.get("data_format") == "channels_first"
    bands = np.shape(weights)[0]
    layer.build((None, bands, None, None) if first else (None, None, None, bands))
    layer.set_weights([np.array(weights, np.float32)[None, None], np.array(bias)])
    return layer


def two_classes(**options):
    """The convolution of single pixels that tells the two classes apart."""
    return conv(RED_OR_NOT, [0.1 * LIMIT, -0.1 * LIMIT], **options)
