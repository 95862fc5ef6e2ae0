"""Images overlaid with the colours of classes."""

import numpy as np

from segshrink.prediction.painting import blended

from .pictures import noise


def test_void_pixels_are_not_painted():
    image = noise(150, 4)
    labels = np.random.default_rng(1).choice([0, 1, 255], (150, 4)).astype(np.uint8)
    found = blended(image, labels, [(250, 0, 0), (0, 250, 0)])
    painted = np.array([(250, 0, 0), (0, 250, 0)])[np.where(labels == 255, 0, labels)]
    expected = (0.55 * image + 0.45 * painted).astype(np.uint8)
    expected[labels == 255] = image[labels == 255]
    np.testing.assert_allclose(found, expected, atol=1)
    np.testing.assert_array_equal(found[labels == 255], image[labels == 255])
