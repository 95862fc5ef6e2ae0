"""The same small scenes, written by each test in another layout."""

from pathlib import Path

import numpy as np
from PIL import Image

from segshrink.data import (
    Dataset,
    TileSampler,
    TileSettings,
    convert_dataset,
    open_dataset,
)
from segshrink.data.layouts import PART_NAMES
from segshrink.recipe import Augmentation

NAMES = ("background", "field", "lake")
COLORS = ((0, 0, 0), (128, 0, 0), (0, 128, 0))
HEIGHT_PX, WIDTH_PX = 24, 40


def labels_of(number: int) -> np.ndarray:
    """Two rectangles on the background, `(24, 40)`; `number` moves them."""
    labels = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    labels[2 : 12 + number % 5, 3 + number : 20] = 1
    labels[9:21, 22 : 36 - number] = 2
    return labels


def image_of(number: int) -> np.ndarray:
    """A picture of the labels with noise, RGB."""
    generator = np.random.default_rng(number)
    noise = generator.integers(0, 40, (HEIGHT_PX, WIDTH_PX, 3))
    return (60 * labels_of(number)[..., np.newaxis] + noise).astype(np.uint8)


def in_parts(numbers: dict[str, range]) -> list[tuple[str, int]]:
    """(part, number) of each scene."""
    return [(part, number) for part, own in numbers.items() for number in own]


TWO_PARTS = {"train": range(4), "val": range(4, 6)}
THREE_PARTS = TWO_PARTS | {"test": range(6, 8)}


def save_image(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image_of(number)).save(path, quality=95)


def save_indices(path: Path, number: int, codes: tuple[int, ...] = (0, 1, 2)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(codes, np.uint8)[labels_of(number)]).save(path)


def save_colors(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(COLORS, np.uint8)[labels_of(number)]).save(path)


def assert_read(
    dataset: Dataset, numbers: dict[str, range], names: tuple[str, ...] = NAMES
) -> None:
    """The data set has these classes, these parts, their labels, and batches of them.

    The last character of an image's name is its number.
    """
    assert dataset.classes.names == names
    for part in PART_NAMES:
        found = {image.name[-1]: image for image in getattr(dataset, part)}
        wanted = numbers.get(part, numbers["val"])
        assert sorted(found) == [str(number) for number in wanted]
        for number in wanted:
            _, labels = found[str(number)].read()
            np.testing.assert_array_equal(labels, labels_of(number))
    settings = TileSettings(
        tile_px=16, batch_size=2, tiles_per_epoch=4, augmentation=Augmentation()
    )
    sampler = TileSampler(dataset.train, settings, seed=0)
    for step in range(sampler.steps_per_epoch):
        images, labels, *_ = sampler.batch(0, step)
        assert images.shape == (2, 16, 16, 3)
        assert set(np.unique(labels)) <= {0, 1, 2, 255}


def assert_converts(root: Path, out: Path, numbers: dict[str, range]) -> None:
    """The folder, converted, is the same data set again."""
    first = convert_dataset(root, out)
    assert first.classes.names == open_dataset(out).classes.names
    assert_read(open_dataset(out), numbers, first.classes.names)
