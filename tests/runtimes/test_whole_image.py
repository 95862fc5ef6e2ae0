"""Tiles of an image against the image itself."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.errors import UsageError
from segshrink.runtimes import (
    classes_of_image,
    likeliest_classes,
    predict_image,
    whole_image,
)


def artifact(predict, height=16, width=12, num_classes=3):
    calls = []

    def counted(images):
        assert images.shape == (1, height, width, 3)
        calls.append(images)
        return predict(images)

    return SimpleNamespace(
        input_shape=(height, width),
        num_bands=3,
        num_classes=num_classes,
        predict=counted,
        calls=calls,
    )


def brightness_and_more(images):
    images = images.astype(np.float32)
    return np.stack([images[..., 0], -images[..., 1], images.sum(axis=-1)], axis=-1)


sides = st.integers(1, 60)
overlaps = st.floats(0, 0.9)


@given(sides, sides, overlaps, st.integers(0, 2**31))
def test_pixelwise_predictor_gives_each_pixel_its_own(height, width, overlap, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    logits = predict_image(artifact(brightness_and_more), image, overlap)
    assert logits.dtype == np.float32
    expected = brightness_and_more(image[None])[0]
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-3)


def test_image_of_one_tile_is_predicted_once():
    recorded = artifact(brightness_and_more)
    predict_image(recorded, np.zeros((16, 12, 3), np.uint8))
    assert len(recorded.calls) == 1


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1), (0, 4, 3), (1, 4, 4, 3)])
def test_other_arrays_are_refused(shape):
    with pytest.raises(UsageError, match=r"must be \(height, width, 3\), got"):
        predict_image(artifact(brightness_and_more), np.zeros(shape))


@pytest.mark.parametrize("overlap", [-0.1, 0.95, float("nan")])
def test_overlap_out_of_range_is_refused(overlap):
    with pytest.raises(UsageError, match="overlap must be 0 to 0.9, got"):
        predict_image(artifact(brightness_and_more), np.zeros((4, 4, 3)), overlap)


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (33, 70)])
def test_classes_are_those_of_the_logits(monkeypatch, size):
    monkeypatch.setattr(whole_image, "SWATH_PX", 32)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)

    def predict(images):
        images = images.astype(np.float32)
        rows, columns = np.indices(images.shape[1:3])
        return images * (1 + 0.01 * (rows + 2 * columns))[..., None]

    own = SimpleNamespace(
        input_shape=(16, 16), num_bands=3, num_classes=3, predict=predict
    )
    found = classes_of_image(own, image)
    assert found.dtype == np.uint8
    expected = predict_image(own, image).argmax(axis=-1)
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(UsageError, match="overlap must be 0 to 0.9"):
        classes_of_image(own, image, 0.95)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 7), st.integers(0, 2**31))
def test_likeliest_classes_are_those_of_argmax(height, width, num_classes, seed):
    generator = np.random.default_rng(seed)
    # Few values, so that there are equal ones, of which the first counts.
    logits = generator.integers(-3, 3, (height, width, num_classes)).astype(np.float32)
    found = likeliest_classes(logits)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, logits.argmax(axis=-1))
