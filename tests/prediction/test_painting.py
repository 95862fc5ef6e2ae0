"""Colours of classes."""

import numpy as np
import pytest

from segshrink.prediction.painting import blended, legend
from segshrink.records.measurement import ClassColor
from segshrink.records.metadata import FileMetadata

from .pictures import BrightnessArtifact, noise


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        FileMetadata(),
        FileMetadata(classes=[ClassColor(name="a", color=(1, 2, 3))]),
    ],
)
def test_classes_without_metadata_have_numbers(metadata):
    artifact = BrightnessArtifact()
    artifact.metadata = metadata
    found = legend(artifact)
    assert [name for name, _ in found] == ["class 0", "class 1", "class 2"]
    assert len({color for _, color in found}) == 3


def test_void_pixels_are_not_painted():
    image = noise(150, 4)
    labels = np.random.default_rng(1).choice([0, 1, 255], (150, 4)).astype(np.uint8)
    found = blended(image, labels, [(250, 0, 0), (0, 250, 0)])
    painted = np.array([(250, 0, 0), (0, 250, 0)])[np.where(labels == 255, 0, labels)]
    expected = (0.55 * image + 0.45 * painted).astype(np.uint8)
    expected[labels == 255] = image[labels == 255]
    np.testing.assert_allclose(found, expected, atol=1)
    np.testing.assert_array_equal(found[labels == 255], image[labels == 255])
