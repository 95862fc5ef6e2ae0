import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segshrink.data.augmentation import cut_map, cut_tile, draw_tile
from segshrink.recipe import Augmentation

from .pictures import encoded, noise, stripes

NOTHING = Augmentation(
    flips=False, quarter_turns=False, scale_jitter=(1, 1), photometric=0
)
ALL = Augmentation()


def draw(image, labels, tile_px, augmentation, seed=0):
    generator = np.random.default_rng(seed)
    return random_tile(image, labels, tile_px, augmentation, generator)


def random_tile(image, labels, tile_px, augmentation, generator):
    drawn = draw_tile(
        labels.shape, tile_px, augmentation, generator, color_generator=generator
    )
    return cut_tile(image, labels, drawn, tile_px)


@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    flips=st.booleans(),
    turns=st.booleans(),
    zoom=st.sampled_from([(1, 1), (0.5, 0.5), (2, 2), (0.75, 1.333)]),
    seed=st.integers(0, 2**32),
)
def test_image_and_labels_stay_aligned(height, width, flips, turns, zoom, seed):
    # Smooth colours that say the place; labels are the same places in coarse steps.
    rows = np.linspace(0, 250, height)[:, np.newaxis]
    columns = np.linspace(0, 250, width)[np.newaxis]
    place = np.rint((rows + columns) / 2)
    labels = (place // 10).astype(np.uint8)
    image = np.repeat(place[:, :, np.newaxis], 3, axis=2).astype(np.uint8)
    augmentation = Augmentation(
        flips=flips, quarter_turns=turns, scale_jitter=zoom, photometric=0
    )
    tile, tile_labels = draw(image, labels, 32, augmentation, seed)
    assert tile.shape == (32, 32, 3) and tile_labels.shape == (32, 32)
    valid = tile_labels != 255
    shown = tile[..., 0].astype(float) / 10
    # Half a step of the labels, and what mixing neighbouring pixels can add.
    slope = max(np.abs(np.diff(place, axis=axis)).max(initial=0) for axis in (0, 1))
    tolerance = 0.6 + 0.2 * slope
    assert np.abs(shown - tile_labels - 0.5)[valid].max(initial=0) <= tolerance


@given(seed=st.integers(0, 2**32), flips=st.booleans(), turns=st.booleans())
def test_without_zoom_every_pixel_keeps_its_label(seed, flips, turns):
    labels = np.random.default_rng(1).integers(0, 6, (50, 70), dtype=np.uint8)
    augmentation = Augmentation(
        flips=flips, quarter_turns=turns, scale_jitter=(1, 1), photometric=0
    )
    tile, tile_labels = draw(encoded(labels), labels, 32, augmentation, seed)
    np.testing.assert_array_equal(tile, encoded(tile_labels))


def test_switched_off_it_only_cuts():
    image, labels = noise(32, 32), stripes(32, 32)
    tile, tile_labels = draw(image, labels, 32, NOTHING)
    np.testing.assert_array_equal(tile, image)
    np.testing.assert_array_equal(tile_labels, labels)


def test_a_small_image_is_mirrored_with_void_labels():
    image, labels = noise(3, 2), np.ones((3, 2), np.uint8)
    tile, tile_labels = draw(image, labels, 32, NOTHING)
    assert (tile_labels == 1).sum() == 6
    assert (tile_labels == 255).sum() == 32 * 32 - 6
    row, column = np.argwhere(tile_labels == 1)[0]
    np.testing.assert_array_equal(tile[row : row + 3, column : column + 2], image)
    assert {tuple(pixel) for pixel in tile.reshape(-1, 3)} <= {
        tuple(pixel) for pixel in image.reshape(-1, 3)
    }


def test_zooming_out_never_pads_an_image_that_holds_a_tile():
    only_zoom = NOTHING.model_copy(update={"scale_jitter": (0.25, 0.25)})
    image, labels = noise(40, 200), stripes(40, 200)
    for seed in range(20):
        assert (draw(image, labels, 32, only_zoom, seed)[1] != 255).all()


def test_zoom_is_the_size_that_things_appear_in():
    # One white pixel column in four; twice the zoom doubles the period.
    labels = (np.arange(200) // 4 % 2).astype(np.uint8) * np.ones((200, 1), np.uint8)
    for zoom, period in ((1, 4), (2, 8), (0.5, 2)):
        only_zoom = NOTHING.model_copy(update={"scale_jitter": (zoom, zoom)})
        _, tile = draw(encoded(labels), labels, 64, only_zoom)
        changes = np.flatnonzero(np.diff(tile[0]))
        assert set(np.diff(changes)) == {period}


def test_all_eight_poses_occur():
    image = np.arange(4 * 32 * 32 * 3, dtype=np.uint32).astype(np.uint8)
    image = image[: 32 * 32 * 3].reshape(32, 32, 3)
    image[0, 0], image[0, -1], image[-1, 0], image[-1, -1] = 1, 2, 3, 4
    poses = ALL.model_copy(update={"scale_jitter": (1, 1), "photometric": 0.0})
    seen = set()
    for seed in range(200):
        tile, _ = draw(image, stripes(32, 32), 32, poses, seed)
        seen.add(tuple(tile[[0, 0, -1, -1], [0, -1, 0, -1], 0].tolist()))
    assert len(seen) == 8


def test_recoloring_changes_the_image_alone_and_within_bounds():
    colors = NOTHING.model_copy(update={"photometric": 0.2})
    image, labels = np.full((32, 32, 3), 128, np.uint8), stripes(32, 32)
    means = []
    for seed in range(50):
        tile, tile_labels = draw(image, labels, 32, colors, seed)
        np.testing.assert_array_equal(tile_labels, labels)
        means.append(tile.mean(axis=(0, 1)))
    means = np.array(means)
    # Brightness by 10 % of the range, then each channel by 5 %.
    assert means.min() >= (128 - 25.5) * 0.95 - 1
    assert means.max() <= (128 + 25.5) * 1.05 + 1
    assert means.std(axis=0).min() > 5
    assert np.ptp(means, axis=1).max() > 2


def drawn_before_there_were_maps(image, labels, tile_px, augmentation, generator):
    """The order of draws that trainings of earlier versions were made with."""
    low, high = augmentation.scale_jitter
    zoom = math.exp(generator.uniform(math.log(low), math.log(high)))
    side = min(max(1, round(tile_px / zoom)), max(tile_px, min(labels.shape)))
    for axis in (0, 1):
        spare = labels.shape[axis] - side
        start = int(generator.integers(min(0, spare), max(0, spare) + 1))
        places = np.arange(start, start + side)
        last = labels.shape[axis] - 1
        inside = (places >= 0) & (places <= last)
        # There and back again, without the edge twice.
        there = places % max(1, 2 * last)
        image = image.take(np.minimum(there, 2 * last - there), axis=axis)
        labels = labels.take(np.clip(places, 0, last), axis=axis)
        labels[(slice(None),) * axis + (~inside,)] = 255
    if side != tile_px:
        image = resized(image, tile_px)
        labels = resized(labels, tile_px, Image.Resampling.NEAREST)
    if augmentation.photometric:
        image = recolored_by_hand(image, augmentation.photometric, generator)
    if augmentation.flips:
        for axis, step in enumerate(generator.choice((1, -1), size=2)):
            if step < 0:
                image, labels = np.flip(image, axis), np.flip(labels, axis)
    if augmentation.quarter_turns:
        turns = int(generator.integers(4))
        image, labels = np.rot90(image, turns), np.rot90(labels, turns)
    return image, labels


def resized(pixels, size, how=Image.Resampling.BILINEAR):
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(picture.resize((size, size), how))


def recolored_by_hand(image, strength, generator):
    """Pixel by pixel, without a table of levels."""
    contrast = 1 + strength * generator.uniform(-1, 1)
    brightness = 127.5 * strength * generator.uniform(-1, 1)
    cast = 1 + strength / 4 * generator.uniform(-1, 1, size=3)
    levels = contrast * (image - 127.5) + 127.5 + brightness
    return np.clip(np.rint(cast * levels), 0, 255).astype(np.uint8)


augmentations = st.builds(
    lambda flips, turns, zoom, photometric: Augmentation(
        flips=flips, quarter_turns=turns, scale_jitter=zoom, photometric=photometric
    ),
    st.booleans(),
    st.booleans(),
    st.sampled_from([(1, 1), (0.5, 0.5), (2, 2), (0.75, 1.333), (0.25, 4)]),
    st.sampled_from([0, 0.2, 1]),
)
strides = st.sampled_from([1, 2, 4, 8])
seeds = st.integers(0, 2**32)


@given(st.integers(1, 80), st.integers(1, 80), st.integers(1, 40), augmentations, seeds)
def test_tiles_of_a_seed_stay_those_of_earlier_versions(
    height, width, tile_px, augmentation, seed
):
    image = noise(height, width)
    labels = np.random.default_rng(1).integers(0, 6, (height, width), dtype=np.uint8)
    ours, theirs = (np.random.default_rng(seed) for _ in range(2))
    tile = random_tile(image, labels, tile_px, augmentation, ours)
    expected = drawn_before_there_were_maps(
        image, labels, tile_px, augmentation, theirs
    )
    for one, other in zip(tile, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert ours.bit_generator.state == theirs.bit_generator.state


def draw_with_map(image, labels, raster, stride, tile_px, augmentation, seed=0, **more):
    """Colours are drawn beside the rest, as without maps, unless `more` says other."""
    generator = np.random.default_rng(seed)
    drawn = draw_tile(
        labels.shape,
        tile_px,
        augmentation,
        generator,
        color_generator=more.get("color_generator", generator),
        step=stride,
    )
    cells = cut_map(raster, drawn, labels.shape, stride=stride, tile_px=tile_px)
    return *cut_tile(image, labels, drawn, tile_px), cells


def block_means(pixels, stride, valid=None):
    """Means over squares of what is there and valid; NaN where nothing is."""
    pixels = pixels.astype(float)
    if valid is not None:
        pixels[~valid] = np.nan
    short = [(0, -side % stride) for side in pixels.shape[:2]]
    pixels = np.pad(pixels, [*short, (0, 0)], constant_values=np.nan)
    rows, columns = (side // stride for side in pixels.shape[:2])
    squares = pixels.reshape(rows, stride, columns, stride, -1)
    there = ~np.isnan(squares)
    total = np.where(there, squares, 0).sum(axis=(1, 3))
    with np.errstate(invalid="ignore"):
        return total / there.sum(axis=(1, 3))


def everything(image, labels):
    """Colours and classes of each pixel as one map, `(height, width, 9)`."""
    return np.concatenate([image, labels[..., None] == np.arange(6)], axis=-1)


def pixels_and_map(height, width, stride, seed=1):
    image = noise(height, width, seed)
    labels = np.random.default_rng(seed).integers(0, 6, (height, width), dtype=np.uint8)
    raster = block_means(everything(image, labels), stride).astype(np.float32)
    return image, labels, raster


@given(
    st.integers(1, 70),
    st.integers(1, 70),
    strides,
    st.integers(1, 5),
    st.booleans(),
    st.booleans(),
    seeds,
)
def test_a_map_is_cut_flipped_and_turned_as_its_image_is(
    height, width, stride, cells, flips, turns, seed
):
    image, labels, raster = pixels_and_map(height, width, stride)
    augmentation = NOTHING.model_copy(update={"flips": flips, "quarter_turns": turns})
    tile, tile_labels, tile_map = draw_with_map(
        image, labels, raster, stride, stride * cells, augmentation, seed
    )
    assert tile.shape == (stride * cells, stride * cells, 3) and tile.dtype == np.uint8
    assert tile_labels.shape == tile.shape[:2] and tile_labels.dtype == np.uint8
    assert tile_map.shape == (cells, cells, 9) and tile_map.dtype == np.float16
    assert np.isfinite(tile_map).all()
    valid = tile_labels != 255
    assert valid.any()
    if min(height, width) >= stride * cells:
        assert valid.all()
    # By way of float32, as the map came.
    expected = block_means(everything(tile, tile_labels), stride, valid)
    expected = expected.astype(np.float32).astype(np.float16)
    known = ~np.isnan(expected)
    np.testing.assert_array_equal(tile_map[known], expected[known])


def test_the_whole_of_a_small_image_is_in_the_tile_with_its_cut_cells():
    image, labels, raster = pixels_and_map(13, 6, 8)
    tiles = set()
    for seed in range(40):
        _, tile_labels, tile_map = draw_with_map(
            image, labels, raster, 8, 32, NOTHING, seed
        )
        assert (tile_labels != 255).sum() == 13 * 6
        row, column = np.argwhere(tile_labels != 255)[0]
        assert row % 8 == column % 8 == 0
        cell = tile_map[row // 8 : row // 8 + 2, column // 8 : column // 8 + 1]
        np.testing.assert_array_equal(cell, raster.astype(np.float16))
        tiles.add((row, column))
    # Anywhere between the cells, not in one corner.
    assert len(tiles) > 6


@given(
    stride=strides,
    cells=st.integers(1, 8),
    source=st.integers(1, 8),
    spare=st.tuples(st.integers(0, 31), st.integers(0, 31)),
    flips=st.booleans(),
    turns=st.booleans(),
    half=st.booleans(),
    seed=seeds,
)
def test_a_zoom_resamples_the_map_as_pillow_does(
    stride, cells, source, spare, flips, turns, half, seed
):
    source = min(max(source, math.ceil(cells / 4)), 4 * cells)
    side, tile_px, zoom = source * stride, cells * stride, cells / source
    height, width = (side + more for more in spare)
    augmentation = Augmentation(
        flips=flips, quarter_turns=turns, scale_jitter=(zoom, zoom), photometric=0
    )
    image = noise(height, width)
    shape = (math.ceil(height / stride), math.ceil(width / stride), 2)
    raster = np.random.default_rng(seed).normal(0, 10, shape)
    raster = raster.astype(np.float16 if half else np.float32)
    # Labels that say the row, then the column: the same draws cut the same place.
    places = np.indices((height, width)).astype(np.uint8)
    (tile, rows, tile_map), (_, columns, _) = (
        draw_with_map(image, place, raster, stride, tile_px, augmentation, seed)
        for place in places
    )
    # The first pixel shows the nearest of the crop, half a step in.
    top, left = (
        int(shown.min()) - int(side / tile_px / 2) for shown in (rows, columns)
    )
    assert top % stride == left % stride == 0
    crop = slice(top, top + side), slice(left, left + side)
    cut = tuple(slice(at // stride, at // stride + source) for at in (top, left))
    maps = raster[cut].astype(np.float32).transpose(2, 0, 1)
    unposed = (
        *(resized(place[crop], tile_px, Image.Resampling.NEAREST) for place in places),
        resized(image[crop], tile_px),
        np.stack([resized(channel, cells) for channel in maps], axis=-1),
    )
    drawn = rows, columns, tile, tile_map
    # The same pose of all of them; float16 knows 11 bits.
    assert any(
        all(
            np.allclose(np.rot90(one[:, ::step], turn), other, rtol=2**-11, atol=1e-5)
            for one, other in zip(unposed, drawn, strict=True)
        )
        for step in (1, -1)
        for turn in range(4)
    )


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_zooming_out_ends_at_the_last_whole_cell_of_an_image(stride):
    # The zoom needs eight cells, of which the image has five and a cut one.
    image, labels, raster = pixels_and_map(6 * stride - 1, 6 * stride - 1, stride)
    zoom_out = NOTHING.model_copy(update={"scale_jitter": (0.25, 0.25)})
    tile, tile_labels, tile_map = draw_with_map(
        image, labels, raster, stride, 2 * stride, zoom_out
    )
    assert (tile_labels != 255).all()
    whole = 5 * stride
    np.testing.assert_array_equal(tile, resized(image[:whole, :whole], 2 * stride))
    channels = raster[:5, :5].transpose(2, 0, 1)
    expected = np.stack([resized(channel, 2) for channel in channels], axis=-1)
    np.testing.assert_allclose(tile_map, expected, rtol=2**-11, atol=1e-5)


@given(st.integers(1, 60), st.integers(1, 60), augmentations, seeds)
def test_with_a_map_of_every_pixel_tiles_are_those_without_maps(
    height, width, augmentation, seed
):
    image, labels, raster = pixels_and_map(height, width, 1)
    expected = draw(image, labels, 32, augmentation, seed)
    tile = draw_with_map(image, labels, raster, 1, 32, augmentation, seed)
    for one, other in zip(tile[:2], expected, strict=True):
        np.testing.assert_array_equal(one, other)


@given(st.integers(1, 60), st.integers(1, 60), strides, augmentations, seeds)
def test_colors_come_from_their_own_generator_and_change_nothing_else(
    height, width, stride, augmentation, seed
):
    arguments = *pixels_and_map(height, width, stride), stride, 32, augmentation, seed
    plain = draw_with_map(*arguments, color_generator=None)
    colors = np.random.default_rng(7)
    colored = draw_with_map(*arguments, color_generator=colors)
    for one, other in zip(plain[1:], colored[1:], strict=True):
        np.testing.assert_array_equal(one, other)
    expected = plain[0]
    if augmentation.photometric:
        generator = np.random.default_rng(7)
        expected = recolored_by_hand(expected, augmentation.photometric, generator)
    np.testing.assert_array_equal(colored[0], expected)


@given(st.integers(1, 60), st.integers(1, 60), strides, augmentations, seeds)
def test_the_same_arguments_give_the_same_tile_and_stay_as_they_are(
    height, width, stride, augmentation, seed
):
    arrays = pixels_and_map(height, width, stride)
    for array in arrays:
        # As the files of a teacher's logits are.
        array.flags.writeable = False
    one, other = (
        draw_with_map(*arrays, stride, 32, augmentation, seed) for _ in range(2)
    )
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first, second)


@given(st.integers(1, 60), st.integers(1, 60), strides, augmentations, seeds)
def test_a_map_that_is_the_same_everywhere_stays_so(
    height, width, stride, augmentation, seed
):
    image, labels, raster = pixels_and_map(height, width, stride)
    raster = np.full_like(raster[..., :2], (7.5, -3))
    _, _, tile_map = draw_with_map(
        image, labels, raster, stride, 32, augmentation, seed
    )
    assert tile_map.shape == (32 // stride, 32 // stride, 2)
    np.testing.assert_array_equal(tile_map - np.float16((7.5, -3)), 0)


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_with_maps_every_pose_and_place_occurs(stride):
    image, labels, raster = pixels_and_map(32, 32, stride)
    poses = ALL.model_copy(update={"scale_jitter": (1, 1), "photometric": 0.0})
    seen = {
        draw_with_map(image, labels, raster, stride, 32, poses, seed)[2].tobytes()
        for seed in range(100)
    }
    assert len(seen) == 8
    places = {
        draw_with_map(image, labels, raster, stride, 16, NOTHING, seed)[2].tobytes()
        for seed in range(600)
    }
    # All of them, but where there are hundreds.
    assert len(places) >= min(70, (16 // stride + 1) ** 2)
