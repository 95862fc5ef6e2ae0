import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from segshrink.data.augmentation import random_tile
from segshrink.recipe import Augmentation

from .pictures import encoded, noise, stripes

NOTHING = Augmentation(
    flips=False, quarter_turns=False, scale_jitter=(1, 1), photometric=0
)
ALL = Augmentation()


def draw(image, labels, tile_px, augmentation, seed=0):
    generator = np.random.default_rng(seed)
    return random_tile(
        image,
        labels,
        tile_px=tile_px,
        augmentation=augmentation,
        generator=generator,
    )


@settings(max_examples=60, deadline=None)
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


@settings(max_examples=40, deadline=None)
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
