from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.data import Part
from segshrink.data.cache import ImageCache

from .pictures import THREE_CLASSES, encoded_part

IMAGE_BYTES = 10 * 10 * 4


class CountingPart(Part):
    """A part that counts the requests of each image."""

    def __init__(self, sizes):
        super().__init__("train", encoded_part(sizes), THREE_CLASSES)
        self.reads = []

    def __getitem__(self, index):
        self.reads.append(index)
        return super().__getitem__(index)


@pytest.fixture
def part():
    return CountingPart([(10, 10)] * 5)


def test_what_is_held_is_not_decoded_again(part):
    cache = ImageCache(part, 5 * IMAGE_BYTES)
    for index in (0, 1, 0, 1, 0):
        np.testing.assert_array_equal(cache.get(index)[1], part._images[index].labels)
    assert part.reads == [0, 1]


def test_the_least_recently_used_leaves_first(part):
    cache = ImageCache(part, 2 * IMAGE_BYTES)
    for index in (0, 1, 0, 2, 0, 1):
        cache.get(index)
    assert part.reads == [0, 1, 2, 1]


def test_the_latest_image_is_held_whatever_its_size(part):
    cache = ImageCache(part, 1)
    for index in (0, 0, 0, 1, 1):
        cache.get(index)
    assert part.reads == [0, 1]
    assert cache.held_bytes == IMAGE_BYTES


def test_images_are_read_only(part):
    image, labels = ImageCache(part, IMAGE_BYTES).get(0)
    for array in (image, labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 0


@given(
    sizes=st.lists(
        st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=8
    ),
    limit=st.integers(0, 6000),
    data=st.data(),
)
def test_the_limit_is_never_exceeded_by_more_than_one_image(sizes, limit, data):
    cache = ImageCache(encoded_part(sizes), limit)
    for _ in range(20):
        index = data.draw(st.integers(0, len(sizes) - 1))
        height, width = sizes[index]
        cache.get(index)
        assert cache.held_bytes <= max(limit, height * width * 4)


def test_threads_share_it(part):
    cache = ImageCache(part, 2 * IMAGE_BYTES)
    indices = np.random.default_rng(0).integers(0, 5, 500).tolist()
    with ThreadPoolExecutor(8) as pool:
        for index, (_, labels) in zip(
            indices, pool.map(cache.get, indices), strict=True
        ):
            np.testing.assert_array_equal(labels, part._images[index].labels)
    held = [image.nbytes + labels.nbytes for image, labels in cache._held.values()]
    assert cache.held_bytes == sum(held) <= 2 * IMAGE_BYTES


def test_threads_that_want_the_same_image_decode_it_once(part):
    together = Barrier(4, timeout=60)
    cache = ImageCache(part, 5 * IMAGE_BYTES)

    def get(index):
        together.wait()
        return cache.get(index)

    with ThreadPoolExecutor(4) as pool:
        for index in range(5):
            first, *others = pool.map(get, [index] * 4)
            assert all(other[0] is first[0] for other in others)
    assert sorted(part.reads) == [0, 1, 2, 3, 4]
