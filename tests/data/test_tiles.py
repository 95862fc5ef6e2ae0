from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from segshrink.data import Part, TileSampler
from segshrink.data.augmentation import random_tile
from segshrink.recipe import Augmentation

from .pictures import THREE_CLASSES, HeldImage, encoded, encoded_part, held, noise

ALL = Augmentation()
EXACT = Augmentation(scale_jitter=(1, 1), photometric=0)


def sampler(part=None, **options):
    settings = {
        "tile_px": 32,
        "batch_size": 4,
        "seed": 0,
        "augmentation": ALL,
        **options,
    }
    return TileSampler(part or encoded_part([(64, 64), (40, 90)]), **settings)


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
    expected, _ = random_tile(
        image,
        labels,
        tile_px=32,
        augmentation=ALL,
        generator=np.random.default_rng((0, 5, 3)),
    )
    np.testing.assert_array_equal(drawn.batch(5, 0)[0][2], expected)


@pytest.mark.parametrize("name", ["tile_px", "batch_size", "tiles_per_epoch"])
def test_numbers_must_be_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        sampler(**{name: 0})


def test_an_empty_part_is_refused():
    with pytest.raises(ValueError, match="the val part has no images"):
        TileSampler(
            Part("val", [], THREE_CLASSES),
            tile_px=32,
            batch_size=1,
            seed=0,
            augmentation=ALL,
        )


def test_a_step_beyond_the_epoch_is_refused():
    drawn = sampler(tiles_per_epoch=8)
    with pytest.raises(ValueError, match="step must be 0 to 1, got 2"):
        drawn.batch(0, 2)
