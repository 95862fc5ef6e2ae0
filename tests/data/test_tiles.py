import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from segshrink.data import Part, TileSampler, TileSettings, plain_tiles
from segshrink.data.augmentation import (
    cut_tile,
    draw_recoloring,
    draw_tile,
    recolored,
)
from segshrink.recipe import Augmentation

from .pictures import THREE_CLASSES, HeldImage, encoded, encoded_part, held, noise

ALL = Augmentation()
EXACT = Augmentation(scale_jitter=(1, 1), photometric=0)
COLORS = Augmentation(
    flips=False, quarter_turns=False, scale_jitter=(1, 1), photometric=0.4
)


def sampler(part=None, *, seed=0, maps=None, **options):
    settings = {"tile_px": 32, "batch_size": 4, "augmentation": ALL, **options}
    if part is None:
        part = encoded_part([(64, 64), (40, 90)])
    return TileSampler(part, TileSettings(**settings), seed=seed, maps=maps)


def test_shapes_and_kinds():
    images, labels = sampler().batch(0, 0)
    assert images.shape == (4, 32, 32, 3) and images.dtype == np.uint8
    assert labels.shape == (4, 32, 32) and labels.dtype == np.uint8


def test_a_batch_depends_on_seed_epoch_and_step_alone():
    one, other = sampler(), sampler(cache_bytes=1 << 30)
    for step in reversed(range(one.steps_per_epoch)):
        other.batch(1, step)  # another order of calls
    for first, second in zip(one.batch(1, 1), other.batch(1, 1), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("options", "place"), [({"seed": 1}, (0, 0)), ({}, (1, 0)), ({}, (0, 1))]
)
def test_other_seeds_epochs_and_steps_give_other_tiles(options, place):
    assert (sampler().batch(0, 0)[0] != sampler(**options).batch(*place)[0]).any()


def test_threads_draw_the_same_batches():
    part = encoded_part([(64, 64)] * 6)
    tight = sampler(part, cache_bytes=2 * 64 * 64 * 4)
    places = [(epoch, step) for epoch in range(2) for step in range(4)]
    expected = [tight.batch(*place)[0] for place in places]
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda place: tight.batch(*place)[0], places))
    for one, other in zip(expected, drawn, strict=True):
        np.testing.assert_array_equal(one, other)


def test_images_and_labels_stay_aligned():
    drawn = sampler(augmentation=EXACT)
    for step in range(drawn.steps_per_epoch):
        for image, labels in zip(*drawn.batch(0, step), strict=True):
            np.testing.assert_array_equal(image, encoded(labels))


def test_an_epoch_covers_every_image_once():
    # 4 tiles of 32 pixels fit one image, 0.4 the other, which still gives one.
    assert (
        sampler(encoded_part([(64, 64), (20, 20)]), batch_size=1).steps_per_epoch == 5
    )


@pytest.mark.parametrize(("tiles", "steps"), [(1, 1), (4, 1), (5, 2), (400, 100)])
def test_tiles_of_an_epoch_are_rounded_up_to_whole_batches(tiles, steps):
    drawn = sampler(tiles_per_epoch=tiles)
    assert drawn.steps_per_epoch == steps
    assert len(drawn.batch(0, steps - 1)[0]) == 4


def test_images_smaller_than_the_tile_are_taken():
    drawn = sampler(encoded_part([(20, 500), (5, 5)]), augmentation=EXACT)
    labels = np.concatenate(
        [drawn.batch(0, step)[1] for step in range(drawn.steps_per_epoch)]
    )
    assert (labels == 255).any() and (labels != 255).any()


def test_each_image_is_decoded_about_once_an_epoch(monkeypatch):
    reads = []
    monkeypatch.setattr(
        HeldImage,
        "read",
        lambda self: reads.append(self.name) or (self.image, self.labels),
    )
    part = encoded_part([(96, 96)] * 20)
    drawn = sampler(part, cache_bytes=4 * 96 * 96 * 4)
    for step in range(drawn.steps_per_epoch):
        drawn.batch(0, step)
        assert drawn._cache.held_bytes <= 4 * 96 * 96 * 4
    assert drawn.steps_per_epoch * 4 == 180
    assert sorted(reads) == sorted(image.name for image in part)


def test_tiles_are_those_of_the_plan():
    image, labels = noise(50, 50), np.zeros((50, 50), np.uint8)
    drawn = sampler(Part("train", [held(image, labels)], THREE_CLASSES))
    generator = np.random.default_rng((0, 5, 3))
    draw = draw_tile((50, 50), 32, ALL, generator, color_generator=generator)
    expected, _ = cut_tile(image, labels, draw, 32)
    np.testing.assert_array_equal(drawn.batch(5, 0)[0][2], expected)


@pytest.mark.parametrize("name", ["tile_px", "batch_size", "tiles_per_epoch"])
def test_numbers_must_be_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        sampler(**{name: 0})


def test_an_empty_part_is_refused():
    with pytest.raises(ValueError, match="the val part has no images"):
        sampler(Part("val", [], THREE_CLASSES))


def test_a_step_beyond_the_epoch_is_refused():
    drawn = sampler(tiles_per_epoch=8)
    with pytest.raises(ValueError, match="step must be 0 to 1, got 2"):
        drawn.batch(0, 2)


class PlaceMaps:
    """Maps whose cells hold their image, view, row and column."""

    channels = 4

    def __init__(self, part, stride, views=1):
        self.part, self.stride, self.views = part, stride, views
        self.requested = []

    def get(self, index, view):
        self.requested.append((index, view))
        image = self.part[index]
        sides = (image.height_px, image.width_px)
        rows, columns = np.indices([math.ceil(side / self.stride) for side in sides])
        facts = np.broadcast_arrays(index, view, rows, columns)
        return np.stack(facts, axis=-1).astype(np.float16)

    def color_generator(self, index, view):
        return np.random.default_rng((99, index, view)) if view else None


SIZES = [(64, 64), (40, 90), (37, 51), (20, 500), (5, 5)]


def with_maps(stride=4, views=1, sizes=SIZES, **options):
    """A sampler with maps, and its part, whose images are noise."""
    labels = [np.full(size, number, np.uint8) for number, size in enumerate(sizes)]
    images = [noise(*size, seed=number) for number, size in enumerate(sizes)]
    part = Part("train", map(held, images, labels), THREE_CLASSES)
    return sampler(part, maps=PlaceMaps(part, stride, views), **options), part


def all_tiles(drawn, epochs=1):
    """Image, labels and map of every tile."""
    for epoch in range(epochs):
        for step in range(drawn.steps_per_epoch):
            yield from zip(*drawn.batch_with_maps(epoch, step), strict=True)


@pytest.mark.parametrize("stride", [1, 2, 4, 8, 32])
def test_maps_beside_the_tiles(stride):
    drawn, _ = with_maps(stride)
    images, labels, maps = drawn.batch_with_maps(0, 0)
    assert images.shape == (4, 32, 32, 3) and images.dtype == np.uint8
    assert labels.shape == (4, 32, 32) and labels.dtype == np.uint8
    assert maps.shape == (4, 32 // stride, 32 // stride, 4)
    assert maps.dtype == np.float16


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_maps_are_those_of_the_image_and_place_of_each_tile(stride):
    drawn, part = with_maps(stride, augmentation=EXACT)
    seen = set()
    for image, labels, cells in all_tiles(drawn):
        index = int(cells[0, 0, 0])
        seen.add(index)
        assert set(np.unique(labels)) <= {index, 255}
        for row in range(0, 32, stride):
            for column in range(0, 32, stride):
                here = slice(row, row + stride), slice(column, column + stride)
                if (labels[here] == 255).any():
                    continue
                top, left = stride * cells[row // stride, column // stride, 2:]
                there = slice(int(top), int(top) + stride)
                source = part[index].image[there, int(left) : int(left) + stride]
                # The same pixels, in whatever pose.
                assert sorted(map(tuple, image[here].reshape(-1, 3))) == sorted(
                    map(tuple, source.reshape(-1, 3))
                )
    assert seen == set(range(len(SIZES)))


def test_a_batch_with_maps_depends_on_seed_epoch_and_step_alone():
    one, other = with_maps(views=3)[0], with_maps(views=3, cache_bytes=1 << 30)[0]
    for step in reversed(range(one.steps_per_epoch)):
        other.batch_with_maps(1, step)
        other.batch(0, step)
    expected = one.batch_with_maps(1, 1)
    for first, second in zip(expected, other.batch_with_maps(1, 1), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("options", "place"), [({"seed": 1}, (0, 0)), ({}, (1, 0)), ({}, (0, 1))]
)
def test_other_seeds_epochs_and_steps_give_other_maps(options, place):
    maps = with_maps()[0].batch_with_maps(0, 0)[2]
    assert (maps != with_maps(**options)[0].batch_with_maps(*place)[2]).any()


def test_threads_draw_the_same_batches_with_maps():
    drawn, _ = with_maps(views=2, cache_bytes=2 * 64 * 64 * 4)
    places = [(epoch, step) for epoch in range(2) for step in range(4)]
    expected = [drawn.batch_with_maps(*place) for place in places]
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(lambda place: drawn.batch_with_maps(*place), places))
    for one, other in zip(expected, threaded, strict=True):
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("views", [1, 3])
def test_maps_do_not_change_plain_batches(views):
    drawn, part = with_maps(stride=8, views=views)
    plain = sampler(part)
    assert drawn.steps_per_epoch == plain.steps_per_epoch
    for step in range(plain.steps_per_epoch):
        for one, other in zip(drawn.batch(1, step), plain.batch(1, step), strict=True):
            np.testing.assert_array_equal(one, other)
    assert drawn.maps.requested == []


def test_with_a_map_of_every_pixel_the_tiles_are_those_of_plain_batches():
    drawn, _ = with_maps(stride=1)
    *tiles, _ = drawn.batch_with_maps(2, 1)
    for one, other in zip(tiles, drawn.batch(2, 1), strict=True):
        np.testing.assert_array_equal(one, other)


def test_with_one_view_colors_change_and_the_map_is_of_the_image_as_it_is():
    drawn, part = with_maps(
        sizes=[(32, 32)], augmentation=COLORS, tiles_per_epoch=20, seed=4
    )
    tiles = [image for image, _, _ in all_tiles(drawn)]
    assert set(drawn.maps.requested) == {(0, 0)}
    # Always another change, none of them the lack of one.
    assert len({tile.tobytes() for tile in tiles}) == 20
    assert not any(np.array_equal(tile, part[0].image) for tile in tiles)


def test_with_views_colors_are_those_of_the_view_whose_map_is_given():
    drawn, part = with_maps(
        views=3, sizes=[(64, 64), (40, 90)], augmentation=COLORS, tiles_per_epoch=60
    )
    seen = set()
    for image, _, cells in all_tiles(drawn):
        index, view, row, column = map(int, cells[0, 0])
        assert (cells[..., :2] == (index, view)).all()
        seen.add((index, view))
        whole = part[index].image
        if view:
            generator = drawn.maps.color_generator(index, view)
            whole = recolored(whole, draw_recoloring(COLORS.photometric, generator))
        here = slice(4 * row, 4 * row + 32), slice(4 * column, 4 * column + 32)
        np.testing.assert_array_equal(image, whole[here])
    assert seen == {(index, view) for index in range(2) for view in range(3)}


def test_views_are_drawn_uniformly_in_each_epoch():
    drawn, _ = with_maps(views=4, sizes=[(32, 32)], tiles_per_epoch=100)
    views = [int(cells[0, 0, 1]) for _, _, cells in all_tiles(drawn, epochs=4)]
    assert np.bincount(views, minlength=4).min() > 60
    assert views[:100] != views[100:200]


@pytest.mark.parametrize("stride", [3, 5, 64])
def test_a_stride_that_does_not_divide_the_tile_is_refused(stride):
    with pytest.raises(ValueError, match=f"tile_px 32 is not a multiple of {stride}"):
        with_maps(stride)


def test_without_maps_there_are_no_batches_with_maps():
    with pytest.raises(ValueError, match="has no maps"):
        sampler().batch_with_maps(0, 0)


def test_a_step_beyond_the_epoch_is_refused_with_maps_too():
    drawn, _ = with_maps(tiles_per_epoch=8)
    with pytest.raises(ValueError, match="step must be 0 to 1, got 2"):
        drawn.batch_with_maps(0, 2)


def test_plain_tiles_are_unchanged_pieces_of_images(tiny_dataset):
    images, labels = plain_tiles(tiny_dataset.train, (32, 24), 5)
    assert images.shape == (5, 32, 24, 3) and labels.shape == (5, 32, 24)
    assert images.dtype == np.uint8
    pairs = [image.read() for image in tiny_dataset.train]
    for tile, of_tile in zip(images, labels, strict=True):
        both = np.dstack([tile, of_tile])
        assert any(_is_piece_of(both, np.dstack(pair)) for pair in pairs)
    again, _ = plain_tiles(tiny_dataset.train, (32, 24), 5)
    np.testing.assert_array_equal(images, again)


def _is_piece_of(tile: np.ndarray, image: np.ndarray) -> bool:
    windows = np.lib.stride_tricks.sliding_window_view(image, tile.shape)
    return bool((windows == tile).all(axis=(-3, -2, -1)).any())
