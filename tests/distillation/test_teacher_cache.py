"""TeacherCache: what it holds, when it is used again, and what it survives."""

import io
import json
import os
import resource
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from data.pictures import THREE_CLASSES, add_pair, held, noise, scenes_folder
from segshrink.data import AnnotatedImage, Part, TileSampler, map_by_tiles, open_dataset
from segshrink.data.augmentation import recolored
from segshrink.distillation import Distiller, PixelKL, TeacherCache, Term
from segshrink.distillation.averaging import mean_over_poses
from segshrink.errors import DatasetError, RunFolderError, UsageError
from segshrink.objectives import CrossEntropy
from segshrink.progress import SilentProgress
from segshrink.recipe import Augmentation, TrainingSettings
from segshrink.training import fit
from training.runs import Interrupted, KillAfter, read_history, weights_of

TILE_PX = 8
SIZES = [(16, 16), (13, 21), (5, 6)]
VIEWS = {"views": 3, "photometric": 0.4}


class Asked(keras.Model):
    """Counts how often it is asked."""

    times = 0

    def predict_on_batch(self, x):
        self.times += 1
        return super().predict_on_batch(x)

    def __call__(self, *arguments, **options):
        self.times += 1
        return super().__call__(*arguments, **options)


def pointwise(seed=0, *, tile_px=TILE_PX, classes=3, bias=0.0, activation=None):
    """Sees one pixel at a time, so that tiles do not matter."""
    keras.utils.set_random_seed(seed)
    images = keras.Input((tile_px, tile_px, 3), name="images")
    x = layers.Rescaling(1 / 64, name="rescaled")(images)
    x = layers.Conv2D(classes, 1, activation=activation, name="logits")(x)
    model = Asked(images, x, name="pointwise")
    kernel = np.random.default_rng(seed).normal(size=(1, 1, 3, classes))
    model.get_layer("logits").set_weights([kernel, np.full(classes, bias)])
    return model


def in_context(seed=0):
    """Sees the neighbourhood, and behaves otherwise in training."""
    keras.utils.set_random_seed(seed)
    images = keras.Input((TILE_PX, TILE_PX, 3), name="images")
    x = layers.Rescaling(1 / 255, name="rescaled")(images)
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Dropout(0.5, name="drop")(x)
    return Asked(images, layers.Conv2D(3, 1, name="logits")(x), name="in_context")


def pixels_of(part, index):
    return part[index].read()[0]


def logits_of(teacher, image):
    """A pointwise teacher's, in NumPy."""
    kernel, bias = teacher.get_layer("logits").get_weights()
    return image / 64 @ kernel[0, 0].astype(float) + bias


def block_means(values, stride):
    """Means of squares that may be cut, square by square."""
    rows, columns = (-(-side // stride) for side in values.shape[:2])
    means = np.empty((rows, columns, values.shape[2]))
    for row in range(rows):
        for column in range(columns):
            top, left = stride * row, stride * column
            square = values[top : top + stride, left : left + stride]
            means[row, column] = square.mean(axis=(0, 1))
    return means


def assert_to_half_precision(stored, expected):
    assert stored.dtype == np.float16
    np.testing.assert_allclose(stored, expected, rtol=2**-11 * 1.01, atol=2e-5)


def all_maps(cache, part):
    return {
        (index, view): np.array(cache.get(index, view))
        for index in range(len(part))
        for view in range(cache.views)
    }


def assert_same_maps(cache, other, part):
    ours, theirs = all_maps(cache, part), all_maps(other, part)
    for place, stored in ours.items():
        np.testing.assert_array_equal(stored, theirs[place])


def files_in(folder):
    """Content and time of every file, which changes when one is written."""
    return {
        path.relative_to(folder): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def maps_in(folder):
    return sorted(folder.glob("*.npy"))


class Listener(SilentProgress):
    """Writes down what it is told."""

    def __init__(self):
        self.said = []
        self.total = self.advanced = self.finished = 0

    @property
    def text(self):
        return "\n".join(self.said)

    def say(self, text):
        self.said.append(text)

    def start(self, label, total):
        self.total = total

    def advance(self, steps=1, **facts):
        self.advanced += steps

    def finish(self):
        self.finished += 1


@pytest.fixture(scope="module")
def part():
    images = [
        held(noise(*size, seed=number), np.zeros(size, np.uint8), name=f"held-{number}")
        for number, size in enumerate(SIZES)
    ]
    return Part("train", images, THREE_CLASSES)


@pytest.fixture(scope="module")
def teacher():
    return pointwise()


@pytest.fixture(scope="module")
def filled(tmp_path_factory, part, teacher):
    """A folder with all maps; copied by the tests that change it."""
    folder = tmp_path_factory.mktemp("filled") / "logits"
    assert TeacherCache(folder, teacher, part).fill() == len(part)
    return folder


@pytest.fixture
def copied(filled, tmp_path):
    return shutil.copytree(filled, tmp_path / "copied")


# What it holds.


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
@pytest.mark.parametrize("overlap", [0.0, 0.125, 0.9])
def test_holds_the_means_of_the_logits_of_whole_images(
    tmp_path, part, teacher, stride, overlap
):
    cache = TeacherCache(
        tmp_path / "logits", teacher, part, stride=stride, overlap=overlap
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
    cache = TeacherCache(tmp_path / "logits", teacher, part, stride=2, overlap=0.5)
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
        tmp_path / "logits", teacher, part, stride=1, overlap=0.5, averaged=True
    )
    cache.fill()
    tile_px, index = (TILE_PX, TILE_PX), 1  # of more than one tile
    means = map_by_tiles(
        lambda tiles: mean_over_poses(teacher.predict_on_batch, tiles),
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


def test_a_batch_is_no_larger_than_the_tiles_of_an_image(tmp_path, part):
    teacher, sizes = pointwise(), []
    ask = teacher.predict_on_batch
    teacher.predict_on_batch = lambda x: sizes.append(len(x)) or ask(x)
    TeacherCache(tmp_path / "logits", teacher, part, overlap=0.0).fill()
    assert sizes == [4, 6, 1]


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
    cache = TeacherCache(tmp_path / "logits", teacher, part, stride=4)
    cache.fill()
    assert cache.channels == classes
    assert cache.get(1).shape == (4, 6, classes)
    expected = block_means(logits_of(teacher, pixels_of(part, 1)), 4)
    assert_to_half_precision(cache.get(1), expected)


def test_views_are_of_the_colors_that_the_generator_gives(tmp_path, part, teacher):
    cache = TeacherCache(tmp_path / "logits", teacher, part, stride=2, seed=3, **VIEWS)
    assert cache.fill() == 9
    for index in range(3):
        assert cache.color_generator(index, 0) is None
        for view in range(3):
            image = pixels_of(part, index)
            if view:
                generator = cache.color_generator(index, view)
                image = recolored(image, 0.4, generator)
            expected = block_means(logits_of(teacher, image), 2)
            assert_to_half_precision(cache.get(index, view), expected)
    draws = {
        cache.color_generator(index, view).random()
        for _ in range(2)
        for index in range(3)
        for view in (1, 2)
    }
    # The same each time it is asked for, another one for each map.
    assert len(draws) == 6


def test_training_tiles_and_their_maps_belong_together(tmp_path, teacher):
    """All the way: what the teacher says of the very tile is what is replayed."""
    sizes = [(32, 32), (19, 45), (9, 11)]
    images = [
        held(noise(*s, seed=i), np.zeros(s, np.uint8)) for i, s in enumerate(sizes)
    ]
    part = Part("train", images, THREE_CLASSES)
    cache = TeacherCache(tmp_path / "logits", teacher, part, stride=4, **VIEWS)
    cache.fill()
    sampler = TileSampler(
        part,
        tile_px=16,
        batch_size=32,
        seed=1,
        augmentation=Augmentation(scale_jitter=(1, 1), photometric=0.4),
        tiles_per_epoch=64,
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
    cache = TeacherCache(tmp_path / "logits", teacher, part, **VIEWS)
    cache.fill()
    expected = all_maps(cache, part)
    again = TeacherCache(tmp_path / "logits", teacher, part, **VIEWS)
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
        tmp_path / "logits", teacher, part, views=views, photometric=0.2
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
def test_says_its_size_in_bytes(tmp_path, part, teacher, options):
    cache = TeacherCache(tmp_path / "logits", teacher, part, **options)
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
        cache = TeacherCache(tmp_path, teacher, part, max_bytes=limit, **options)
        assert cache.stride == stride
        assert cache.size_bytes <= limit


def test_refuses_what_exceeds_the_limit(tmp_path, part, teacher):
    folder = tmp_path / "logits"
    for options, needed in (({"stride": 2}, bytes_at(2)), ({}, bytes_at(8))):
        TeacherCache(folder, teacher, part, max_bytes=needed, **options)
        with pytest.raises(UsageError) as caught:
            TeacherCache(folder, teacher, part, max_bytes=needed - 1, **options)
        text = str(caught.value)
        assert f"{needed:,} bytes" in text and f"limit of {needed - 1:,}" in text
        assert str(folder) in text and "3 images" in text
    assert not folder.exists()


def test_numbers_of_the_refusal_are_readable(tmp_path, teacher):
    large = held(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.uint8))
    # Only the size that it says is looked at.
    large = type(large)(**{**vars(large), "height_px": 20_000, "width_px": 30_000})
    with pytest.raises(UsageError, match=r"225,000,000 bytes at stride 4, .*1,000,000"):
        TeacherCache(
            tmp_path,
            teacher,
            Part("train", [large], THREE_CLASSES),
            stride=4,
            max_bytes=1_000_000,
        )


@pytest.mark.parametrize("of_another_teacher", [False, True])
def test_tells_the_size_before_anything_is_written(
    tmp_path, part, teacher, of_another_teacher
):
    folder = tmp_path / "logits"
    if of_another_teacher:
        TeacherCache(folder, pointwise(seed=1), part).fill()
    before = files_in(folder)

    class Checking(Listener):
        told = False

        def say(self, text):
            super().say(text)
            if " MB " in text and not self.told:
                self.told = True
                now = files_in(folder)
                assert all(now[name] == before.get(name) for name in now)

    listener = Checking()
    cache = TeacherCache(folder, teacher, part, stride=2)
    cache.fill(listener)
    assert listener.told
    assert f"{cache.size_bytes / 1e6:.1f} MB" in listener.text
    assert "3 images" in listener.text and "stride 2" in listener.text


def test_tells_of_every_map(tmp_path, part, teacher):
    listener = Listener()
    cache = TeacherCache(tmp_path / "logits", teacher, part, **VIEWS)
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
        TeacherCache(tmp_path / "logits", teacher, part, **options)
    assert not (tmp_path / "logits").exists()


# When it is used again.


@pytest.mark.parametrize("options", [{}, VIEWS | {"seed": 7}])
def test_is_used_again_without_asking_the_teacher(tmp_path, part, options):
    teacher, folder = pointwise(), tmp_path / "logits"
    cache = TeacherCache(folder, teacher, part, **options)
    made = cache.fill()
    assert made == 3 * cache.views and teacher.times > 0
    before, teacher.times = files_in(folder), 0
    listener = Listener()
    again = TeacherCache(folder, teacher, part, **options)
    assert cache.fill() == again.fill(listener) == 0
    assert teacher.times == listener.total == 0
    assert files_in(folder) == before
    (said,) = listener.said
    assert f"{made} of {made} maps are there" in said
    assert_same_maps(again, cache, part)


def test_a_teacher_from_its_file_is_the_same(copied, tmp_path, part, teacher):
    teacher.save(tmp_path / "teacher.keras")
    loaded = keras.saving.load_model(
        tmp_path / "teacher.keras", custom_objects={"Asked": Asked}
    )
    assert TeacherCache(copied, loaded, part).fill() == 0


def test_other_names_of_layers_are_not_another_teacher(tmp_path, part):
    """Layers that are given none are numbered, on and on in one process."""

    def unnamed():
        keras.utils.set_random_seed(0)
        images = keras.Input((TILE_PX, TILE_PX, 3))
        return keras.Model(images, layers.Conv2D(3, 1)(images))

    assert TeacherCache(tmp_path / "logits", unnamed(), part).fill() == 3
    assert TeacherCache(tmp_path / "logits", unnamed(), part).fill() == 0


def test_a_teacher_that_was_used_otherwise_is_the_same(tmp_path, part):
    teacher, folder = in_context(), tmp_path / "logits"
    TeacherCache(folder, teacher, part).fill()
    teacher.compile("adam", CrossEntropy())
    assert TeacherCache(folder, teacher, part).fill() == 0
    # It draws from dropout's generator; the statistics are frozen.
    teacher.trainable = False
    teacher(np.zeros((1, TILE_PX, TILE_PX, 3)), training=True)
    assert TeacherCache(folder, teacher, part).fill() == 0


def test_with_one_view_the_seed_does_not_matter(copied, part, teacher):
    assert TeacherCache(copied, teacher, part, seed=1).fill() == 0


def other_statistics(teacher):
    norm = teacher.get_layer("norm")
    *others, variance = norm.get_weights()
    norm.set_weights([*others, variance + 1])


def other_kernel(teacher):
    layer = teacher.get_layer("logits")
    kernel, bias = layer.get_weights()
    kernel[0, 0, 0, 0] = np.nextafter(kernel[0, 0, 0, 0], np.float32(9))
    layer.set_weights([kernel, bias])


@pytest.mark.parametrize("change", [other_statistics, other_kernel])
def test_other_weights_are_another_teacher(tmp_path, part, change):
    folder, teacher = tmp_path / "logits", in_context()
    TeacherCache(folder, teacher, part).fill()
    change(teacher)
    listener = Listener()
    cache = TeacherCache(folder, teacher, part)
    assert cache.fill(listener) == 3
    assert "other teacher than now" in listener.text
    fresh = TeacherCache(tmp_path / "fresh", teacher, part)
    fresh.fill()
    assert_same_maps(cache, fresh, part)


def test_weights_that_change_before_fill_are_another_teacher(tmp_path, part):
    """The cache must not pass off what it then stores as the first teacher's."""
    folder, teacher = tmp_path / "logits", pointwise()
    early = TeacherCache(folder, teacher, part)
    first = teacher.get_weights()
    teacher.set_weights(pointwise(seed=1).get_weights())
    early.fill()
    teacher.set_weights(first)
    cache = TeacherCache(folder, teacher, part)
    cache.fill()
    expected = block_means(logits_of(teacher, pixels_of(part, 0)), cache.stride)
    assert_to_half_precision(cache.get(0), expected)


BASE = VIEWS | {"seed": 0, "overlap": 0.125, "stride": 2}


@pytest.fixture(scope="module")
def with_views(tmp_path_factory, part, teacher):
    folder = tmp_path_factory.mktemp("with_views") / "logits"
    TeacherCache(folder, teacher, part, **BASE).fill()
    return folder


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"stride": 4}, "stride"),
        ({"overlap": 0.5}, "overlap"),
        ({"seed": 1}, "seed"),
        ({"photometric": 0.2}, "photometric"),
        ({"views": 2}, "views"),
        ({"averaged": True}, "averaged"),
        ({"views": 1, "photometric": 0}, "photometric, seed, views"),
        ({"teacher": {"activation": "relu"}}, "teacher"),
        ({"teacher": {"tile_px": 16}}, "teacher, tile_px"),
        ({"teacher": {"classes": 4}}, "teacher"),
    ],
)
def test_what_was_made_otherwise_is_made_anew(
    with_views, tmp_path, part, teacher, options, named
):
    folder = shutil.copytree(with_views, tmp_path / "logits")
    other = pointwise(**options["teacher"]) if "teacher" in options else teacher
    options = BASE | {k: v for k, v in options.items() if k != "teacher"}
    listener = Listener()
    cache = TeacherCache(folder, other, part, **options)
    assert cache.fill(listener) == 3 * cache.views
    assert f"{folder}: other {named} than now" in listener.text
    assert len(maps_in(folder)) == 3 * cache.views
    fresh = TeacherCache(tmp_path / "fresh", other, part, **options)
    fresh.fill()
    assert_same_maps(cache, fresh, part)
    # Now it is there, and the first one no more.
    assert TeacherCache(folder, other, part, **options).fill() == 0
    assert TeacherCache(folder, teacher, part, **BASE).fill() == 9


def images_in(root):
    dataset = open_dataset(root)
    images = [*dataset.train, *dataset.val, *dataset.test]
    return Part("train", sorted(images, key=lambda x: x.name), dataset.classes)


def _replace(root):
    shutil.copy(root / "b/images/two.jpg", root / "a/images/one.jpg")


def _touch(root):
    path = root / "c/images/two.jpg"
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def _add(root):
    add_pair(root / "b", "three")


def _remove(root):
    for path in ("a/images/two.jpg", "a/masks/two.png"):
        (root / path).unlink()


def _rename(root):
    for path in ("a/images/two.jpg", "a/masks/two.png"):
        (root / path).rename((root / path).with_stem("zwei"))


@pytest.mark.parametrize("change", [_replace, _touch, _add, _remove, _rename])
def test_other_images_are_asked_anew(tmp_path, teacher, change):
    root, folder = scenes_folder(tmp_path / "scenes"), tmp_path / "logits"
    assert TeacherCache(folder, teacher, images_in(root)).fill() == 6
    change(root)
    part = images_in(root)
    cache, listener = TeacherCache(folder, teacher, part), Listener()
    assert cache.fill(listener) == len(part) == len(maps_in(folder))
    assert "other images than now" in listener.text
    for index in range(len(part)):
        expected = block_means(logits_of(teacher, pixels_of(part, index)), cache.stride)
        assert_to_half_precision(cache.get(index), expected)


def test_images_in_another_order_are_asked_anew(copied, part, teacher):
    backwards = Part("train", list(part)[::-1], THREE_CLASSES)
    cache = TeacherCache(copied, teacher, backwards)
    assert cache.fill() == 3
    expected = block_means(logits_of(teacher, pixels_of(part, 0)), cache.stride)
    assert_to_half_precision(cache.get(2), expected)


def test_a_data_set_that_was_moved_is_the_same(tmp_path, teacher):
    root, folder = scenes_folder(tmp_path / "scenes"), tmp_path / "logits"
    TeacherCache(folder, teacher, images_in(root)).fill()
    moved = root.rename(tmp_path / "moved")
    assert TeacherCache(folder, teacher, images_in(moved)).fill() == 0


def test_images_in_memory_differ_by_their_pixels(tmp_path, teacher):
    """Of a large array, NumPy prints the corners only."""
    image, labels = noise(40, 40), np.zeros((40, 40), np.uint8)
    other = image.copy()
    other[20, 20] ^= 128
    folder = tmp_path / "logits"
    for pixels in (image, other):
        part = Part("train", [held(pixels, labels)], THREE_CLASSES)
        cache = TeacherCache(folder, teacher, part, stride=1)
        cache.fill()
    assert_to_half_precision(cache.get(0), logits_of(teacher, other))


def test_an_image_that_is_gone_is_a_fault_of_the_data_set(tmp_path, teacher):
    root = scenes_folder(tmp_path / "scenes")
    part = images_in(root)
    (root / "a/images/one.jpg").unlink()
    with pytest.raises(DatasetError, match="one.jpg"):
        TeacherCache(tmp_path / "logits", teacher, part).fill()


# What it survives.


def flipped(position):
    def damage(data):
        data = bytearray(data)
        data[position] ^= 0x10
        return bytes(data)

    return damage


def as_file(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


DAMAGES = {
    "missing": lambda data: None,
    "empty": lambda data: b"",
    "three bytes are left": lambda data: data[:3],
    "most of the header is lost": lambda data: data[:20],
    "half is lost": lambda data: data[: len(data) // 2],
    "the checksum is lost": lambda data: data[:-4],
    "the last byte is lost": lambda data: data[:-1],
    "a byte too many": lambda data: data + b"x",
    "zeros": lambda data: bytes(len(data)),
    "an archive": lambda data: b"PK\x03\x04" + data[4:],
    "flipped in the magic": flipped(0),
    "flipped in the header's length": flipped(8),
    "flipped in the header": flipped(25),
    "flipped in the data": flipped(-20),
    "flipped in the last value": flipped(-5),
    "flipped in the checksum": flipped(-1),
    "another shape": lambda data: as_file(np.zeros((2, 2, 3), np.float16)),
    "another type": lambda data: as_file(np.zeros((4, 6, 3), np.float32)),
    "shifted": lambda data: (b"\x93NUMPY" + data)[: len(data)],
}


def put(path, data):
    path.unlink()
    if data is not None:
        path.write_bytes(data)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_damaged_is_made_anew_and_nothing_else(
    copied, filled, part, teacher, damage
):
    victim = maps_in(copied)[1]
    before = files_in(copied)
    put(victim, damage(victim.read_bytes()))
    cache, listener = TeacherCache(copied, teacher, part), Listener()
    assert cache.fill(listener) == 1
    assert "2 of 3 maps are there" in listener.text
    after = files_in(copied)
    assert after.keys() == before.keys()
    changed = [name for name in after if after[name] != before[name]]
    assert changed == [Path(victim.name)]
    assert cache.fill() == 0
    assert_same_maps(cache, TeacherCache(filled, teacher, part), part)


@pytest.mark.parametrize("mask", [0x01, 0x40])
def test_a_flip_at_any_place_is_found(tmp_path, teacher, mask):
    part = Part("train", [held(noise(2, 3), np.zeros((2, 3), np.uint8))], THREE_CLASSES)
    cache = TeacherCache(tmp_path / "logits", teacher, part)
    cache.fill()
    (path,) = maps_in(tmp_path / "logits")
    whole = path.read_bytes()
    for position in range(len(whole)):
        data = bytearray(whole)
        data[position] ^= mask
        put(path, data)
        assert cache.fill() == 1, position
    assert path.read_bytes() == whole


def test_a_cut_at_any_place_is_found(tmp_path, teacher):
    part = Part("train", [held(noise(2, 3), np.zeros((2, 3), np.uint8))], THREE_CLASSES)
    cache = TeacherCache(tmp_path / "logits", teacher, part)
    cache.fill()
    (path,) = maps_in(tmp_path / "logits")
    whole = path.read_bytes()
    for length in range(0, len(whole), 3):
        put(path, whole[:length])
        assert cache.fill() == 1, length
    assert path.read_bytes() == whole


def test_a_map_that_was_made_anew_is_read_anew(copied, filled, part, teacher):
    """Also if the damaged one had been read before: only `fill` looks for damage."""
    victim = maps_in(copied)[0]
    put(victim, flipped(-20)(victim.read_bytes()))
    cache = TeacherCache(copied, teacher, part)
    all_maps(cache, part)
    assert cache.fill() == 1
    assert_same_maps(cache, TeacherCache(filled, teacher, part), part)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"null", b"[]", b"{}", b"3", b'"text"', b"[1]", b"true"],
)
def test_a_damaged_description_is_written_anew(copied, filled, part, teacher, content):
    about = copied / "about.json"
    before = about.read_bytes()
    about.write_bytes(content)
    cache = TeacherCache(copied, teacher, part)
    cache.fill()
    assert about.read_bytes() == before
    assert_same_maps(cache, TeacherCache(filled, teacher, part), part)
    assert cache.fill() == 0


def test_half_a_file_of_a_kill_is_no_hindrance(copied, filled, part, teacher):
    victim = maps_in(copied)[2]
    data = victim.read_bytes()
    put(victim, None)
    (copied / f".partial-{victim.name}").write_bytes(data[:50])
    (copied / ".partial-about.json").write_bytes(b"{")
    cache = TeacherCache(copied, teacher, part)
    assert cache.fill() == 1
    assert_same_maps(cache, TeacherCache(filled, teacher, part), part)


def test_half_a_description_of_a_kill_is_no_hindrance(tmp_path, part, teacher):
    """The first file that is begun in the folder."""
    folder = tmp_path / "logits"
    folder.mkdir()
    (folder / ".partial-about.json").write_bytes(b'{"format"')
    assert TeacherCache(folder, teacher, part).fill() == 3


def _note(folder):
    (folder / "note.txt").write_text("mine")


def _arrays(folder):
    np.save(folder / "measured.npy", np.arange(5))


def _deep(folder):
    (folder / "mine" / "deep").mkdir(parents=True)


def _about_of_something_else(folder):
    (folder / "about.json").write_text('{"author": "me", "title": "Measurements"}')
    np.save(folder / "measured.npy", np.arange(5))


@pytest.mark.parametrize("content", [_note, _arrays, _deep, _about_of_something_else])
def test_a_folder_with_something_else_is_left_alone(tmp_path, part, teacher, content):
    folder = tmp_path / "logits"
    folder.mkdir()
    content(folder)
    before, names = files_in(folder), sorted(folder.rglob("*"))
    with pytest.raises(RunFolderError, match="holds something else") as caught:
        TeacherCache(folder, teacher, part).fill()
    assert str(folder) in str(caught.value)
    assert files_in(folder) == before
    assert sorted(folder.rglob("*")) == names


def test_a_file_in_the_place_of_the_folder_is_left_alone(tmp_path, part, teacher):
    path = tmp_path / "logits"
    path.write_text("mine")
    with pytest.raises(RunFolderError, match="logits"):
        TeacherCache(path, teacher, part).fill()
    assert path.read_text() == "mine"


def test_an_empty_folder_is_taken(tmp_path, part, teacher):
    assert TeacherCache(tmp_path, teacher, part).fill() == 3
    assert TeacherCache(str(tmp_path), teacher, part).fill() == 0


def test_before_fill_there_is_nothing_to_read(tmp_path, part, teacher):
    cache = TeacherCache(tmp_path / "logits", teacher, part)
    with pytest.raises(RunFolderError, match="Call fill"):
        cache.get(0)
    assert not (tmp_path / "logits").exists()
    cache.fill()
    assert np.isfinite(cache.get(0)).all()


@pytest.mark.parametrize(
    "options", [{"teacher": {"seed": 1}}, {"stride": 2}, {"overlap": 0.5}]
)
def test_what_was_made_otherwise_is_not_read_before_fill(
    filled, part, teacher, options
):
    options = dict(options)
    other = pointwise(**options.pop("teacher")) if "teacher" in options else teacher
    cache = TeacherCache(filled, other, part, **options)
    with pytest.raises(RunFolderError, match="Call fill"):
        cache.get(0)


@pytest.mark.parametrize(
    "damage", ["missing", "empty", "three bytes are left", "half is lost", "zeros"]
)
def test_what_cannot_be_read_says_what_to_do(copied, part, teacher, damage):
    victim = maps_in(copied)[1]
    put(victim, DAMAGES[damage](victim.read_bytes()))
    cache = TeacherCache(copied, teacher, part)
    with pytest.raises(RunFolderError, match=f"{victim.name}.*Call fill"):
        cache.get(1)


@dataclass(frozen=True, kw_only=True)
class Unreadable(AnnotatedImage):
    def read(self):
        raise DatasetError("b.jpg: cannot be decoded")


def test_an_image_that_cannot_be_decoded_keeps_what_is_finished(
    tmp_path, part, teacher
):
    broken = Unreadable(scene="b", name="b", height_px=9, width_px=9)
    listener = Listener()
    with_broken = Part("train", [*part, broken], THREE_CLASSES)
    cache = TeacherCache(tmp_path / "logits", teacher, with_broken)
    for made in (3, 0):
        with pytest.raises(DatasetError, match="b.jpg"):
            cache.fill(listener)
        assert listener.advanced == made
        listener.advanced = 0
    assert len(maps_in(tmp_path / "logits")) == 3


@pytest.fixture(scope="module")
def kills(tmp_path_factory):
    """Outcomes of `fill` after kills at every step it takes in its folder."""
    script = Path(__file__).with_name("killed_fills.py")
    command = [sys.executable, str(script), str(tmp_path_factory.mktemp("kills"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("scenario", ["first", "anew"])
def test_survives_sigkill_at_any_moment(kills, scenario):
    outcomes = kills[scenario]
    assert len(outcomes) > 10
    # Some kills came before the first map was whole, some between, some after.
    assert {outcome["kept"] for outcome in outcomes} >= {0, 1, 2}
    for moment, outcome in enumerate(outcomes):
        where = f"{scenario}: killed before step {moment}, {outcome['step']}"
        assert outcome["error"] is None, f"{where}: {outcome['error']}"
        assert outcome["made"] == 2 - outcome["kept"], where
        assert outcome["same"], where


# Training with it.


SETTINGS = TrainingSettings(
    epochs=2, batch_size=4, learning_rate=0.01, tiles_per_epoch=None
)
STEPS = 3


def student():
    keras.utils.set_random_seed(1)
    images = keras.Input((32, 32, 3), name="images")
    x = layers.Rescaling(1 / 255, name="rescaled")(images)
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Dropout(0.3, name="drop")(x)
    return keras.Model(images, layers.Conv2D(3, 1, name="logits")(x), name="student")


def trained(folder, dataset, logits, **options):
    model = student()
    terms = [Term(PixelKL(2.0))]
    distiller = Distiller(model, None, supervised=CrossEntropy(), terms=terms)
    return fit(
        distiller,
        dataset,
        SETTINGS,
        folder,
        tile_px=32,
        model=model,
        teacher_logits=logits,
        **options,
    )


def test_a_training_that_was_killed_continues_as_if_never_stopped(
    tmp_path, tiny_dataset
):
    teacher = pointwise(tile_px=32)

    def logits():
        cache = TeacherCache(tmp_path / "logits", teacher, tiny_dataset.train, **VIEWS)
        cache.fill()
        return cache

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    result = trained(whole, tiny_dataset, logits())
    with pytest.raises(Interrupted):
        trained(killed, tiny_dataset, logits(), progress=KillAfter(STEPS + 1))
    assert len(read_history(killed)) == 1
    # The maps of one image are lost meanwhile, and made again.
    maps_in(tmp_path / "logits")[0].unlink()
    again = trained(killed, tiny_dataset, logits())
    rows, expected = (
        [row | {"seconds": ""} for row in read_history(folder)]
        for folder in (killed, whole)
    )
    assert len(rows) == 2 and rows == expected
    assert all(float(row["pixel_kl"]) > 0 for row in rows)
    assert again.best_val_miou == result.best_val_miou
    ours, theirs = (weights_of(folder / "model.keras") for folder in (killed, whole))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, other)
