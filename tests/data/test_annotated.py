import numpy as np
import pytest

from segshrink.data import Part, class_frequencies, open_dataset
from segshrink.errors import DatasetError

from .pictures import THREE_CLASSES, encoded_part, held, noise, scenes_folder


def part_of(*label_maps):
    images = [held(noise(*labels.shape), labels) for labels in label_maps]
    return Part("val", images, THREE_CLASSES)


def test_void_has_no_share():
    labels = np.array([[0, 0, 0, 2], [255, 255, 255, 255]], np.uint8)
    np.testing.assert_allclose(class_frequencies(part_of(labels)), [0.75, 0, 0.25])


def test_shares_are_of_pixels_not_of_images():
    small, large = np.zeros((1, 2), np.uint8), np.ones((2, 3), np.uint8)
    frequencies = class_frequencies(part_of(small, large))
    np.testing.assert_allclose(frequencies, [0.25, 0.75, 0])
    assert frequencies.dtype == np.float64


def test_counts_made_on_opening_equal_those_of_reading(tmp_path):
    for image in open_dataset(scenes_folder(tmp_path)).train:
        counted = np.bincount(image.read()[1].ravel(), minlength=3)
        np.testing.assert_array_equal(image.count_classes(3), counted)


def test_a_part_of_void_has_no_shares():
    with pytest.raises(DatasetError, match=r"the val part \(1 images\): no pixel has"):
        class_frequencies(part_of(np.full((2, 2), 255, np.uint8)))


def test_a_part_is_a_sequence():
    part = encoded_part([(4, 4), (5, 5), (6, 6)])
    assert len(part) == 3
    assert [image.height_px for image in part] == [4, 5, 6]
    assert part.scenes == ("held-0", "held-1", "held-2")
    assert part[1:].scenes == ("held-1", "held-2")
    assert part[1:].name == "train"
    assert repr(part) == "Part('train', 3 images of 3 scenes)"
