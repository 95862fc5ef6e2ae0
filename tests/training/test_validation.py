import keras
import numpy as np
import pytest

from segshrink.data import IGNORE_INDEX, AnnotatedImage, Part
from segshrink.errors import DatasetError
from segshrink.training.validation import validate


def brightest_channel(size_px):
    """A model whose logits are the colours: red is class 0, and so on."""
    images = keras.Input((size_px, size_px, 3))
    return keras.Model(images, keras.layers.Rescaling(1.0)(images))


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_counts_every_labelled_pixel_once(draw_dataset, batch_size):
    # 40 px in tiles of 32: the edges are filled up, and so is the last batch.
    part = draw_dataset(side_px=40).train
    confusion = validate(
        brightest_channel(32), part, num_classes=3, tile_px=32, batch_size=batch_size
    )
    expected = np.zeros((3, 3), int)
    for image, labels in (annotated.read() for annotated in part):
        known = labels != IGNORE_INDEX
        np.add.at(expected, (labels[known], image.argmax(-1)[known]), 1)
    np.testing.assert_array_equal(confusion.counts, expected)


class OnlyVoid(AnnotatedImage):
    def read(self):
        labels = np.full((self.height_px, self.width_px), IGNORE_INDEX, np.uint8)
        return np.zeros((*labels.shape, 3), np.uint8), labels


def test_refuses_a_part_of_void(tiny_dataset):
    image = OnlyVoid(scene="dark", name="dark/a", height_px=8, width_px=8)
    part = Part("val", [image], tiny_dataset.classes)
    with pytest.raises(DatasetError, match=r"The val part \(dark\) has no pixel with"):
        validate(brightest_channel(8), part, num_classes=3, tile_px=8, batch_size=1)
