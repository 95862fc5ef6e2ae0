"""Intervals from the records of two files."""

import numpy as np
import pytest

from segshrink.metrics import ConfusionMatrix, mean_iou_interval, quality_interval
from segshrink.records.measurement import ImageQuality, Quality

SPREAD = [0.7, 0.9, 0.8, 0.95, 0.75, 0.85, 0.6, 0.9]


def image(index, right, scenes):
    """An image of which a share of the pixels is right."""
    random = np.random.default_rng(index)
    labels = random.integers(0, 3, 5000)
    wrong = random.random(5000) > right
    confusion = ConfusionMatrix(3)
    confusion.update(labels, np.where(wrong, (labels + 1) % 3, labels))
    right_pixels = confusion.counts.diagonal()
    sums = (confusion.true_pixels, confusion.predicted_pixels, right_pixels)
    return ImageQuality(
        index=index,
        image=f"image {index}",
        scene=f"s{index % scenes if scenes else index}",
        mean_iou=confusion.mean_iou(),
        pixel_accuracy=confusion.pixel_accuracy,
        counts=tuple((c, *(int(each[c]) for each in sums)) for c in range(3)),
    )


def measured(rights=SPREAD, scenes=0):
    """The record of images, whose pixels are the same every time."""
    images = [image(index, right, scenes) for index, right in enumerate(rights)]
    classes = [{"name": name} for name in "abc"]
    return Quality(
        part="test", images=len(images), classes=classes, by_image=images[::-1]
    )


def counts_of(quality):
    counts = np.zeros((len(quality.by_image), 3, 3), int)
    for each in quality.by_image:
        for label, *pixels in each.counts:
            counts[each.index, label] = pixels
    return counts


def test_it_is_the_bootstraps_of_the_counts():
    quality, other = measured(), measured(SPREAD[::-1])
    found = quality_interval(quality)
    assert (found.low, found.high) == mean_iou_interval(counts_of(quality))
    assert (found.count, found.units) == (8, "images")
    found = quality_interval(quality, other)
    expected = mean_iou_interval(counts_of(quality), counts_of(other))
    assert (found.low, found.high) == expected


def test_a_difference_is_paired():
    teacher = measured()
    found = quality_interval(measured([each - 0.02 for each in SPREAD]), teacher)
    assert found.high < 0 and not found.has_zero
    assert quality_interval(measured(SPREAD[::-1]), teacher).has_zero


def test_many_scenes_are_drawn_as_wholes():
    rights = np.random.default_rng(0).uniform(0.5, 1, 10)
    # Image i is of scene i % 10.
    by_scene = quality_interval(measured([*rights] * 4, scenes=10))
    assert (by_scene.count, by_scene.units) == (10, "scenes")
    by_image = quality_interval(measured([*rights] * 4, scenes=9))
    assert (by_image.count, by_image.units) == (40, "images")
    # Four images that are alike tell no more than one.
    ratio = (by_scene.high - by_scene.low) / (by_image.high - by_image.low)
    assert 1.5 < ratio < 2.5


@pytest.mark.parametrize("rights", [[], [0.9] * 4])
def test_few_images_have_none(rights):
    assert quality_interval(measured(rights)) is None


def test_images_of_void_alone_do_not_count():
    quality = measured([0.9] * 5)
    void = quality.by_image[0].model_copy(update={"counts": ()})
    images = (void, *quality.by_image[1:])
    assert quality_interval(quality.model_copy(update={"by_image": images})) is None


def test_other_images_are_not_compared():
    one = measured()
    named = [each.model_copy(update={"image": "x"}) for each in one.by_image]
    other = one.model_copy(update={"by_image": tuple(named)})
    assert quality_interval(one, other) is None
    assert quality_interval(None) is None
