"""TeacherCache: what it holds, how large it is, and what it refuses."""

import os
import resource
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from data.pictures import THREE_CLASSES, held, noise
from distillation.cached_teachers import (
    SIZES,
    TILE_PX,
    VIEWS,
    Listener,
    all_maps,
    assert_to_half_precision,
    block_means,
    files_in,
    in_context,
    logits_of,
    maps_in,
    pixels_of,
    pointwise,
)
from segshrink.data import Part, TileSampler, TileSettings, map_by_tiles
from segshrink.data.augmentation import draw_recoloring, recolored
from segshrink.distillation import TeacherCache
from segshrink.distillation.teacher_cache import CacheSettings
from segshrink.distillation.test_time_augmentation import predict_augmented
from segshrink.errors import UsageError
from segshrink.recipe import Augmentation


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
@pytest.mark.parametrize("overlap", [0.0, 0.125, 0.9])
def test_holds_the_means_of_the_logits_of_whole_images(
    tmp_path, part, teacher, stride, overlap
):
    cache = TeacherCache(
        tmp_path / "logits",
        teacher,
        part,
        CacheSettings(stride=stride, overlap=overlap),
    )
    assert cache.fill() == 3
    assert (cache.stride, cache.channels, cache.views) == (stride, 3, 1)
    for index in range(3):
        logits = logits_of(teacher, pixels_of(part, index))
        assert_to_half_precision(cache.get(index), block_means(logits, stride))


def test_asks_in_inference_mode_by_tiles_and_leaves_the_teacher_as_it_is(
    tmp_path, part
):
    teacher = in_context()
    generator = np.random.default_rng(5)
    norm = teacher.get_layer("norm")
    norm.set_weights([generator.uniform(0.5, 2, w.shape) for w in norm.get_weights()])
    teacher.get_layer("first").trainable = False

    def state():
        values = [np.array(variable) for variable in teacher.variables]
        flags = [layer.trainable for layer in teacher.layers]
        return values, flags, teacher.compiled

    before = state()
    cache = TeacherCache(
        tmp_path / "logits", teacher, part, CacheSettings(stride=2, overlap=0.5)
    )
    cache.fill()
    after = state()
    # The state of dropout's generator is among the variables.
    for one, other in zip(before[0], after[0], strict=True):
        np.testing.assert_array_equal(one, other)
    assert before[1:] == after[1:]
    for index in range(3):
        logits = map_by_tiles(
            lambda tiles: np.array(teacher(tiles, training=False)),
            pixels_of(part, index),
            tile_px=(TILE_PX, TILE_PX),
            channels=3,
            overlap=0.5,
        )
        expected = block_means(logits, 2)
        np.testing.assert_allclose(cache.get(index), expected, rtol=1e-3, atol=1e-4)


def test_averages_over_how_tiles_may_be_held(tmp_path, part):
    teacher = in_context()
    cache = TeacherCache(
        tmp_path / "logits",
        teacher,
        part,
        CacheSettings(stride=1, overlap=0.5, averaged=True),
    )
    cache.fill()
    tile_px, index = (TILE_PX, TILE_PX), 1  # of more than one tile
    means = map_by_tiles(
        lambda tiles: predict_augmented(teacher.predict_on_batch, tiles),
        pixels_of(part, index),
        tile_px=tile_px,
        channels=3,
        overlap=0.5,
    )
    np.testing.assert_allclose(cache.get(index), means, rtol=1e-3, atol=1e-4)
    plain = map_by_tiles(
        teacher.predict_on_batch,
        pixels_of(part, index),
        tile_px=tile_px,
        channels=3,
        overlap=0.5,
    )
    assert np.abs(means - plain).max() > 0.05 * np.abs(plain).max()


def test_batches_are_full_across_images(tmp_path, part):
    """Of 4, 6 and 1 tiles; the last batch is filled up, since no tiles are left."""
    teacher, sizes = pointwise(), []
    ask = teacher.predict_on_batch
    teacher.predict_on_batch = lambda x: sizes.append(len(x)) or ask(x)
    TeacherCache(tmp_path / "logits", teacher, part, CacheSettings(overlap=0.0)).fill()
    assert sizes == [8, 8]


def test_maps_cannot_be_written_to(filled, part, teacher):
    stored = TeacherCache(filled, teacher, part).get(0)
    with pytest.raises(ValueError, match="read-only"):
        stored[0] = 0


def test_logits_beyond_float16_are_clipped(tmp_path, part):
    for sign in (1, -1):
        teacher = pointwise(bias=sign * 1e6)
        cache = TeacherCache(tmp_path / f"logits{sign}", teacher, part)
        cache.fill()
        for index in range(3):
            assert (cache.get(index) == sign * np.finfo(np.float16).max).all()


@pytest.mark.parametrize("classes", [1, 5])
def test_any_number_of_classes(tmp_path, part, classes):
    teacher = pointwise(classes=classes)
    cache = TeacherCache(tmp_path / "logits", teacher, part, CacheSettings(stride=4))
    cache.fill()
    assert cache.channels == classes
    assert cache.get(1).shape == (4, 6, classes)
    expected = block_means(logits_of(teacher, pixels_of(part, 1)), 4)
    assert_to_half_precision(cache.get(1), expected)


def test_views_are_of_the_colors_that_the_generator_gives(tmp_path, part, teacher):
    cache = TeacherCache(
        tmp_path / "logits", teacher, part, CacheSettings(stride=2, seed=3, **VIEWS)
    )
    assert cache.fill() == 9
    for index in range(3):
        assert cache.color_generator(index, 0) is None
        for view in range(3):
            image = pixels_of(part, index)
            if view:
                generator = cache.color_generator(index, view)
                image = recolored(image, draw_recoloring(0.4, generator))
            expected = block_means(logits_of(teacher, image), 2)
            assert_to_half_precision(cache.get(index, view), expected)
    draws = {
        cache.color_generator(index, view).random()
        for _ in range(2)
        for index in range(3)
        for view in (1, 2)
    }
    # It is the same at each call, and differs between maps.
    assert len(draws) == 6


def test_training_tiles_and_their_maps_belong_together(tmp_path, teacher):
    """A replayed tile has the logits that the teacher predicts for it."""
    sizes = [(32, 32), (19, 45), (9, 11)]
    images = [
        held(noise(*s, seed=i), np.zeros(s, np.uint8)) for i, s in enumerate(sizes)
    ]
    part = Part("train", images, THREE_CLASSES)
    cache = TeacherCache(
        tmp_path / "logits", teacher, part, CacheSettings(stride=4, **VIEWS)
    )
    cache.fill()
    sampler = TileSampler(
        part,
        TileSettings(
            tile_px=16,
            batch_size=32,
            augmentation=Augmentation(scale_jitter=(1, 1), photometric=0.4),
            tiles_per_epoch=64,
        ),
        seed=1,
        maps=cache,
    )
    compared = 0
    for step in range(2):
        for image, labels, logits in zip(
            *sampler.batch_with_maps(0, step), strict=True
        ):
            void = block_means((labels == 255)[..., None], 4)[..., 0] > 0
            expected = block_means(logits_of(teacher, image), 4)
            assert_to_half_precision(logits[~void], expected[~void])
            compared += (~void).sum()
    assert compared > 500


def test_threads_may_read_at_once(tmp_path, part, teacher):
    cache = TeacherCache(tmp_path / "logits", teacher, part, CacheSettings(**VIEWS))
    cache.fill()
    expected = all_maps(cache, part)
    again = TeacherCache(tmp_path / "logits", teacher, part, CacheSettings(**VIEWS))
    places = list(expected) * 30
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda place: np.array(again.get(*place)), places))
    for place, stored in zip(places, read, strict=True):
        np.testing.assert_array_equal(stored, expected[place])


def test_many_maps_do_not_use_up_what_may_be_open(tmp_path, teacher):
    """macOS lets a process have 256 files open; elsewhere it is often 1024."""
    part = Part("train", [held(noise(2, 2), np.zeros((2, 2), np.uint8))], THREE_CLASSES)
    views = 300
    cache = TeacherCache(
        tmp_path / "logits", teacher, part, CacheSettings(views=views, photometric=0.2)
    )
    cache.fill()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = len(os.listdir("/dev/fd")) + 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        for view in range(views):
            assert np.isfinite(cache.get(0, view)).all()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# Its size.


@pytest.mark.parametrize("options", [{"stride": 1}, {"stride": 8}, {}, VIEWS])
def test_size_is_in_bytes(tmp_path, part, teacher, options):
    cache = TeacherCache(tmp_path / "logits", teacher, part, CacheSettings(**options))
    cache.fill()
    arrays = [np.load(path) for path in maps_in(tmp_path / "logits")]
    assert len(arrays) == 3 * cache.views
    assert cache.size_bytes == sum(array.nbytes for array in arrays)


def bytes_at(stride, views=1):
    cells = sum(-(-height // stride) * -(-width // stride) for height, width in SIZES)
    return 2 * 3 * views * cells


@pytest.mark.parametrize("options", [{}, VIEWS])
def test_chooses_the_stride_that_keeps_the_limit(tmp_path, part, teacher, options):
    four, eight = (bytes_at(stride, options.get("views", 1)) for stride in (4, 8))
    for limit, stride in ((1 << 30, 4), (four, 4), (four - 1, 8), (eight, 8)):
        cache = TeacherCache(
            tmp_path, teacher, part, CacheSettings(max_bytes=limit, **options)
        )
        assert cache.stride == stride
        assert cache.size_bytes <= limit


def test_refuses_what_exceeds_the_limit(tmp_path, part, teacher):
    folder = tmp_path / "logits"
    for options, needed in (({"stride": 2}, bytes_at(2)), ({}, bytes_at(8))):
        TeacherCache(folder, teacher, part, CacheSettings(max_bytes=needed, **options))
        with pytest.raises(UsageError) as caught:
            TeacherCache(
                folder, teacher, part, CacheSettings(max_bytes=needed - 1, **options)
            )
        text = str(caught.value)
        assert f"{needed:,} bytes" in text and f"limit of {needed - 1:,}" in text
        assert str(folder) in text and "3 images" in text
    assert not folder.exists()


def test_numbers_of_the_refusal_are_readable(tmp_path, teacher):
    large = held(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.uint8))
    # Only its declared size is used.
    large = type(large)(**{**vars(large), "height_px": 20_000, "width_px": 30_000})
    with pytest.raises(UsageError, match=r"225,000,000 bytes at stride 4, .*1,000,000"):
        TeacherCache(
            tmp_path,
            teacher,
            Part("train", [large], THREE_CLASSES),
            CacheSettings(stride=4, max_bytes=1_000_000),
        )


@pytest.mark.parametrize("of_another_teacher", [False, True])
def test_the_size_is_reported_before_anything_is_written(
    tmp_path, part, teacher, of_another_teacher
):
    folder = tmp_path / "logits"
    if of_another_teacher:
        TeacherCache(folder, pointwise(seed=1), part).fill()
    before = files_in(folder)

    class Checking(Listener):
        seen = False

        def say(self, text):
            super().say(text)
            if " MB " in text and not self.seen:
                self.seen = True
                now = files_in(folder)
                assert all(now[name] == before.get(name) for name in now)

    listener = Checking()
    cache = TeacherCache(folder, teacher, part, CacheSettings(stride=2))
    cache.fill(listener)
    assert listener.seen
    assert f"{cache.size_bytes / 1e6:.1f} MB" in listener.text
    assert "3 images" in listener.text and "stride 2" in listener.text


def test_reports_progress_for_every_map(tmp_path, part, teacher):
    listener = Listener()
    cache = TeacherCache(tmp_path / "logits", teacher, part, CacheSettings(**VIEWS))
    assert cache.fill(listener) == 9
    assert (listener.total, listener.advanced, listener.finished) == (9, 9, 1)
    maps_in(tmp_path / "logits")[4].unlink()
    listener = Listener()
    assert cache.fill(listener) == 1
    assert (listener.total, listener.advanced, listener.finished) == (1, 1, 1)
    assert "8 of 9 maps are there" in listener.text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"stride": 3}, "stride must be one of .*, got 3"),
        ({"stride": 0}, "stride must be one of .*, got 0"),
        ({"stride": 16}, "stride must be one of .*, got 16"),
        ({"views": 0}, "views must be at least 1, got 0"),
        ({"views": -1}, "views must be at least 1, got -1"),
        ({"views": 2, "photometric": 1.5}, "photometric must be 0 to 1, got 1.5"),
        ({"views": 2, "photometric": float("nan")}, "photometric must be 0 to 1"),
        ({"views": 2}, "got 2 views and photometric 0"),
        ({"photometric": 0.2}, "got 1 views and photometric 0.2"),
        ({"seed": -1, **VIEWS}, "seed"),
        ({"overlap": -0.5}, "overlap"),
        ({"overlap": 1.0}, "overlap"),
        ({"overlap": float("nan")}, "overlap"),
        ({"max_bytes": 0}, "limit of 0"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path, part, teacher, options, text):
    with pytest.raises(UsageError, match=text):
        TeacherCache(tmp_path / "logits", teacher, part, CacheSettings(**options))
    assert not (tmp_path / "logits").exists()


# When it is used again.
