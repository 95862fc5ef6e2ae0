"""Synthetic scenes: repeatable, varied, balanced, and not solved by colour alone."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.data.synthetic import CLASSES, generate_scene
from segshrink.data.synthetic.geometry import CityFrame, Rectangle
from segshrink.data.synthetic.streets import Streets

SIZE_PX = 256
TRAINING, UNSEEN = range(12), range(12, 18)


@pytest.fixture(scope="module")
def scenes():
    indices = (*TRAINING, *UNSEEN)
    return [generate_scene(index, size_px=SIZE_PX, seed=0) for index in indices]


def shares(labels):
    return np.bincount(labels.ravel(), minlength=6) / labels.size


def digest(image, labels):
    return hashlib.sha256(image.tobytes() + labels.tobytes()).hexdigest()


def test_classes_are_the_six_of_aerial_imagery_and_black_is_void():
    assert CLASSES.names == (
        "Building",
        "Land",
        "Road",
        "Vegetation",
        "Water",
        "Unlabeled",
    )
    assert len(set(CLASSES.colors)) == 6
    assert CLASSES.void_colors == ((0, 0, 0),)


@pytest.mark.parametrize("size_px", [32, 100, 257, 768])
def test_scene_has_the_requested_size_and_only_known_labels(size_px):
    image, labels = generate_scene(3, size_px=size_px, seed=1)
    assert image.shape == (size_px, size_px, 3) and image.dtype == np.uint8
    assert labels.shape == (size_px, size_px) and labels.dtype == np.uint8
    assert labels.max() < CLASSES.num_classes


@given(
    index=st.integers(0, 2**40),
    seed=st.integers(0, 2**40),
    size_px=st.integers(32, 96),
)
def test_any_index_seed_and_size_makes_a_scene(index, seed, size_px):
    image, labels = generate_scene(index, size_px=size_px, seed=seed)
    again = generate_scene(index, size_px=size_px, seed=seed)
    assert digest(image, labels) == digest(*again)
    # A not-a-number on the way would turn pixels black.
    assert image.max(axis=2).min() > 0


def test_scene_is_the_same_in_another_process():
    code = (
        "import hashlib\n"
        "from segshrink.data.synthetic import generate_scene\n"
        "image, labels = generate_scene(7, size_px=200, seed=5)\n"
        "data = image.tobytes() + labels.tobytes()\n"
        "print(hashlib.sha256(data).hexdigest())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == digest(*generate_scene(7, size_px=200, seed=5))


def test_other_indices_and_seeds_give_unrelated_scenes(scenes):
    others = [scenes[1], generate_scene(0, size_px=SIZE_PX, seed=1)]
    for image, labels in others:
        assert np.mean(image != scenes[0][0]) > 0.9
        assert np.mean(labels != scenes[0][1]) > 0.5


def test_shares_of_classes_are_sane(scenes):
    table = np.array([shares(labels) for _, labels in scenes[:12]])
    mean = dict(zip(CLASSES.names, table.mean(axis=0), strict=True))
    assert 0.10 < mean["Building"] < 0.30
    assert 0.15 < mean["Land"] < 0.45
    assert 0.12 < mean["Road"] < 0.35
    assert 0.10 < mean["Vegetation"] < 0.35
    assert 0.05 < mean["Water"] < 0.25
    assert 0.01 < mean["Unlabeled"] < 0.04
    has_all_classes = (table > 0.005).all(axis=1)
    assert has_all_classes.sum() >= 10


def test_large_scene_has_all_classes_in_every_quarter():
    _, labels = generate_scene(0, size_px=1024, seed=0)
    for quarter in (labels[:512, :512], labels[512:, :512], labels[:, 512:]):
        assert (shares(quarter)[:4] > 0.05).all()
        assert shares(quarter)[5] > 0.003


def color_bins(images, bins=24):
    codes = np.concatenate([image.reshape(-1, 3) for image in images]).astype(int)
    red, green, blue = (codes * bins // 256).T
    return (red * bins + green) * bins + blue


def test_color_alone_does_not_solve_the_task(scenes):
    """The best a per-pixel colour histogram can do on unseen scenes is far from good.

    It must also do better than chance: colours without information are not a city.
    """
    known, unseen = scenes[: len(TRAINING)], scenes[len(TRAINING) :]
    votes = np.zeros((24**3, 6))
    truth = np.concatenate([labels.ravel() for _, labels in known])
    np.add.at(votes, (color_bins([image for image, _ in known]), truth), 1)
    votes += 1e-3 * np.bincount(truth, minlength=6) / truth.size
    guess = votes.argmax(axis=1)[color_bins([image for image, _ in unseen])]
    truth = np.concatenate([labels.ravel() for _, labels in unseen])
    iou = [
        np.sum((guess == c) & (truth == c)) / np.sum((guess == c) | (truth == c))
        for c in range(6)
    ]
    assert 0.2 < np.mean(iou) < 0.6


@pytest.mark.parametrize(
    "arguments",
    [
        {"index": -1, "size_px": 64, "seed": 0},
        {"index": 0, "size_px": 31, "seed": 0},
        {"index": 0, "size_px": 64, "seed": -2},
    ],
)
def test_arguments_out_of_range_are_refused(arguments):
    index = arguments.pop("index")
    with pytest.raises(
        ValueError, match="index >= 0, seed >= 0, size_px >= 32 and 3 or 4"
    ):
        generate_scene(index, **arguments)


@given(seed=st.integers(0, 2**32))
def test_city_coordinates_lead_back_to_the_pixel(seed):
    frame = CityFrame.draw(np.random.default_rng(seed), 64)
    grid = np.stack(frame.pixel_grid(), axis=-1)
    y, x = np.mgrid[:64, :64]
    np.testing.assert_allclose(frame.to_pixels(grid), np.dstack([x, y]), atol=1e-3)
    assert np.abs(grid).max() < frame.reach_px


@given(seed=st.integers(0, 2**32))
def test_nearest_street_is_found_as_by_looking_at_all(seed):
    rng = np.random.default_rng(seed)
    streets = Streets.draw(rng, reach_px=200, block_px=80)
    across = rng.uniform(-200, 200, 300).astype(np.float32)
    field = streets.seen_from(across, across)
    distances = across[:, None] - streets.centers_px
    nearest = np.abs(distances).argmin(axis=1)
    expected = distances[np.arange(300), nearest]
    # The table is coarse, so half way between two streets either may be taken.
    np.testing.assert_allclose(np.abs(field.offset_px), np.abs(expected), atol=0.51)
    is_clear = np.abs(distances).min(axis=1) < 25
    widths = streets.half_widths_px[nearest]
    np.testing.assert_array_equal(field.half_width_px[is_clear], widths[is_clear])


def test_rectangles_that_share_a_border_do_not_overlap():
    left, right = Rectangle(0, 0, 10, 10), Rectangle(10, 0, 20, 10)
    assert not left.overlaps(right)
    assert left.overlaps(Rectangle(9, 9, 12, 12))
    assert right.inset(2) == Rectangle(12, 2, 18, 8)


def test_near_infrared_follows_the_colours_and_tells_plants_from_water():
    pixels, labels = generate_scene(0, size_px=SIZE_PX, seed=0, num_bands=4)
    colors, same = generate_scene(0, size_px=SIZE_PX, seed=0)
    np.testing.assert_array_equal(pixels[..., :3], colors)
    np.testing.assert_array_equal(labels, same)
    names = CLASSES.names
    means = {
        name: pixels[labels == label, 3].mean()
        for label, name in enumerate(names)
        if (labels == label).any()
    }
    assert max(means, key=means.get) == "Vegetation"
    assert min(means, key=means.get) == "Water"
    again, _ = generate_scene(0, size_px=SIZE_PX, seed=0, num_bands=4)
    np.testing.assert_array_equal(pixels, again)


@pytest.mark.parametrize("num_bands", [0, 1, 5])
def test_other_numbers_of_bands_are_refused(num_bands):
    with pytest.raises(ValueError, match="3 or 4 bands, got .*bands"):
        generate_scene(0, size_px=64, seed=0, num_bands=num_bands)
