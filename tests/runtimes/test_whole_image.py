"""Tiles of an image against the image itself."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segshrink.errors import UsageError
from segshrink.runtimes import predict_image


def artifact(predict, height=16, width=12, num_classes=3):
    calls = []

    def counted(images):
        assert images.shape == (1, height, width, 3)
        calls.append(images)
        return predict(images)

    return SimpleNamespace(
        input_shape=(height, width),
        num_classes=num_classes,
        predict=counted,
        calls=calls,
    )


def brightness_and_more(images):
    images = images.astype(np.float32)
    return np.stack([images[..., 0], -images[..., 1], images.sum(axis=-1)], axis=-1)


sides = st.integers(1, 60)
overlaps = st.floats(0, 0.9)


@settings(max_examples=60, deadline=None)
@given(sides, sides, overlaps, st.integers(0, 2**31))
def test_pixelwise_predictor_gives_each_pixel_its_own(height, width, overlap, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    logits = predict_image(artifact(brightness_and_more), image, overlap)
    assert logits.dtype == np.float32
    expected = brightness_and_more(image[None])[0]
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-3)


@settings(max_examples=30, deadline=None)
@given(sides, sides, overlaps)
def test_constant_predictor_gives_the_constant_everywhere(height, width, overlap):
    constant = artifact(lambda images: np.full((1, 16, 12, 3), 7.5, np.float32))
    logits = predict_image(constant, np.zeros((height, width, 3)), overlap)
    assert logits.shape == (height, width, 3)
    np.testing.assert_allclose(logits, 7.5, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(sides, sides, overlaps)
def test_neighbouring_tiles_overlap_as_asked(height, width, overlap):
    height, width = max(height, 16), max(width, 12)
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([rows, columns, rows], axis=-1).astype(np.uint8)
    recorded = artifact(brightness_and_more)
    predict_image(recorded, image, overlap)
    for axis, tile, side in ((0, 16, height), (1, 12, width)):
        starts = sorted({int(call[0, 0, 0, axis]) for call in recorded.calls})
        assert starts[0] == 0
        assert starts[-1] == side - tile
        # At 0.9 of 12 pixels a tile still has to advance by one.
        assert np.diff(starts).max(initial=0) <= max(1, tile * (1 - overlap))


def test_image_of_one_tile_is_predicted_once():
    recorded = artifact(brightness_and_more)
    predict_image(recorded, np.zeros((16, 12, 3), np.uint8))
    assert len(recorded.calls) == 1


def test_smaller_image_is_continued_by_reflection():
    recorded = artifact(brightness_and_more)
    image = np.random.default_rng(0).integers(0, 256, (10, 5, 3), np.uint8)
    predict_image(recorded, image)
    (tile,) = recorded.calls
    np.testing.assert_array_equal(tile[0, :10, :5], image)
    np.testing.assert_array_equal(tile[0, :10, 5:9], image[:, 3::-1])
    np.testing.assert_array_equal(tile[0, 10:16, :5], image[8:2:-1])


def test_middle_of_a_tile_outweighs_the_border_of_its_neighbour():
    values = iter([0.0, 1.0])
    two = artifact(
        lambda images: np.full((1, 16, 12, 1), next(values), np.float32), num_classes=1
    )
    blended = predict_image(two, np.zeros((16, 18, 3), np.uint8), 0.5)[0, :, 0]
    assert (blended[:6] == 0).all()
    assert (blended[12:] == 1).all()
    np.testing.assert_allclose(blended[6:12], np.arange(1, 7) / 7, rtol=1e-5)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1), (0, 4, 3), (1, 4, 4, 3)])
def test_other_arrays_are_refused(shape):
    with pytest.raises(UsageError, match=r"must be \(height, width, 3\), got"):
        predict_image(artifact(brightness_and_more), np.zeros(shape))


@pytest.mark.parametrize("overlap", [-0.1, 0.95, float("nan")])
def test_overlap_out_of_range_is_refused(overlap):
    with pytest.raises(UsageError, match="overlap must be 0 to 0.9, got"):
        predict_image(artifact(brightness_and_more), np.zeros((4, 4, 3)), overlap)
