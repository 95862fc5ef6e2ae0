"""The pictures that a run keeps of its predictions."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segshrink.compression.measuring import (
    sample_writer,
)
from segshrink.data import IGNORE_INDEX


@pytest.mark.parametrize(
    ("count", "positions"), [(1, [0]), (2, [0, 2]), (3, [0, 1, 2]), (20, [0, 1, 2])]
)
def test_samples_are_spread_over_the_part(tiny_dataset, tmp_path, count, positions):
    part, classes = tiny_dataset.train, tiny_dataset.classes
    draw = sample_writer(tmp_path, part, classes, count, "student-int8")
    for index, image in enumerate(part):
        _, labels = image.read()
        draw(index, image, labels, np.full_like(labels, index))
    entries = json.loads((tmp_path / "samples.json").read_text())
    assert [entry["image"] for entry in entries] == [part[i].name for i in positions]
    for entry, index in zip(entries, positions, strict=True):
        folder = tmp_path / entry["folder"]
        image, labels = part[index].read()
        np.testing.assert_array_equal(_pixels(folder / "image.png"), image)
        truth = _pixels(folder / "truth.png")
        assert (truth[labels == IGNORE_INDEX] == 0).all()
        predicted = _pixels(folder / "student-int8.png")
        assert (predicted == classes.colors[index]).all()


def _pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))
