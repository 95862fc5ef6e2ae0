"""The pictures that a run keeps of its predictions."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segshrink.compression.measuring import sample_writer, worst_images
from segshrink.data import IGNORE_INDEX
from segshrink.records.measurement import ImageQuality, Quality


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


def _quality(*scores):
    images = [
        ImageQuality(
            index=index,
            image=f"{index}",
            scene="s",
            mean_iou=score,
            pixel_accuracy=None,
        )
        for index, score in enumerate(scores)
    ]
    return Quality(part="test", by_image=tuple(reversed(images)))


def test_the_worst_images_are_those_of_all_students_together():
    one, other = _quality(0.9, 0.2, 0.5, None), _quality(0.1, 0.4, 0.6, None)
    assert worst_images([one, other], 2) == [1, 0]
    # An image of void alone has no score, and is not among them.
    assert worst_images([one], 9) == [1, 2, 0]
    assert worst_images([Quality(part="test")], 2) == []


def _pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))
