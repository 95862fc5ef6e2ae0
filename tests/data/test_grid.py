import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.data import Part, iter_tiles

from .pictures import THREE_CLASSES, encoded_part, held

sizes = st.tuples(st.integers(1, 70), st.integers(1, 70))


def numbered(height, width):
    """An image in which each pixel has a colour of its own, and no void."""
    numbers = np.arange(height * width).reshape(height, width)
    image = np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], axis=-1)
    return held(image.astype(np.uint8), np.zeros((height, width), np.uint8))


@given(
    sizes=st.lists(sizes, min_size=1, max_size=3),
    tile_px=st.integers(1, 40),
    batch_size=st.integers(1, 5),
)
def test_every_pixel_comes_exactly_once(sizes, tile_px, batch_size):
    part = Part("val", [numbered(*size) for size in sizes], THREE_CLASSES)
    seen = []
    for images, labels in iter_tiles(part, tile_px=tile_px, batch_size=batch_size):
        assert images.shape[1:] == (tile_px, tile_px, 3)
        assert labels.shape == images.shape[:3]
        seen += [tuple(pixel) for pixel in images[labels != 255].tolist()]
    expected = [
        tuple(pixel) for image in part for pixel in image.image.reshape(-1, 3).tolist()
    ]
    assert sorted(seen) == sorted(expected)


def test_tiles_come_row_by_row_and_edges_are_mirrored():
    part = Part("val", [numbered(3, 5)], THREE_CLASSES)
    ((images, labels),) = iter_tiles(part, tile_px=4, batch_size=8)
    assert images.shape == (2, 4, 4, 3)
    np.testing.assert_array_equal(
        images[1][..., 2], [[4, 3, 2, 1], [9, 8, 7, 6], [14, 13, 12, 11], [9, 8, 7, 6]]
    )
    np.testing.assert_array_equal(
        labels[1] == 255, [[0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1]]
    )


def test_batches_are_full_but_the_last():
    part = encoded_part([(64, 64), (32, 96)])
    lengths = [len(images) for images, _ in iter_tiles(part, tile_px=32, batch_size=3)]
    assert lengths == [3, 3, 1]


@pytest.mark.parametrize("options", [{"tile_px": 0}, {"batch_size": 0}])
def test_numbers_must_be_positive(options):
    arguments = {"tile_px": 8, "batch_size": 1, **options}
    with pytest.raises(ValueError, match="tile_px and batch_size must be at least 1"):
        next(iter_tiles(encoded_part([(8, 8)]), **arguments))
