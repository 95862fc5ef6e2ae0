"""TeacherCache: when it is reused, and when it is rebuilt."""

import os
import shutil

import keras
import numpy as np
import pytest
from keras import layers

from data.pictures import THREE_CLASSES, add_pair, held, noise, save, scenes_folder
from distillation.cached_teachers import (
    TILE_PX,
    VIEWS,
    Counted,
    Listener,
    assert_same_maps,
    assert_to_half_precision,
    block_means,
    files_in,
    in_context,
    logits_of,
    maps_in,
    pixels_of,
    pointwise,
)
from segshrink.data import Part, open_dataset
from segshrink.distillation import TeacherCache
from segshrink.distillation.teacher_cache import CacheSettings
from segshrink.errors import DatasetError
from segshrink.objectives import CrossEntropy


@pytest.mark.parametrize("options", [{}, VIEWS | {"seed": 7}])
def test_is_reused_without_running_the_teacher(tmp_path, part, options):
    teacher, folder = pointwise(), tmp_path / "logits"
    cache = TeacherCache(folder, teacher, part, CacheSettings(**options))
    made = cache.fill()
    assert made == 3 * cache.views and teacher.times > 0
    before, teacher.times = files_in(folder), 0
    listener = Listener()
    again = TeacherCache(folder, teacher, part, CacheSettings(**options))
    assert cache.fill() == again.fill(listener) == 0
    assert teacher.times == listener.total == 0
    assert files_in(folder) == before
    (said,) = listener.said
    assert f"{made} of {made} maps are there" in said
    assert_same_maps(again, cache, part)


def test_a_teacher_from_its_file_is_the_same(copied, tmp_path, part, teacher):
    teacher.save(tmp_path / "teacher.keras")
    loaded = keras.saving.load_model(
        tmp_path / "teacher.keras", custom_objects={"Counted": Counted}
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
    assert TeacherCache(copied, teacher, part, CacheSettings(seed=1)).fill() == 0


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
    TeacherCache(folder, teacher, part, CacheSettings(**BASE)).fill()
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
def test_logits_of_other_settings_are_rebuilt(
    with_views, tmp_path, part, teacher, options, named
):
    folder = shutil.copytree(with_views, tmp_path / "logits")
    other = pointwise(**options["teacher"]) if "teacher" in options else teacher
    options = BASE | {k: v for k, v in options.items() if k != "teacher"}
    listener = Listener()
    cache = TeacherCache(folder, other, part, CacheSettings(**options))
    assert cache.fill(listener) == 3 * cache.views
    assert f"{folder}: other {named} than now" in listener.text
    assert len(maps_in(folder)) == 3 * cache.views
    fresh = TeacherCache(tmp_path / "fresh", other, part, CacheSettings(**options))
    fresh.fill()
    assert_same_maps(cache, fresh, part)
    # Now it is there, and the first one no more.
    assert TeacherCache(folder, other, part, CacheSettings(**options)).fill() == 0
    assert TeacherCache(folder, teacher, part, CacheSettings(**BASE)).fill() == 9


def images_in(root):
    dataset = open_dataset(root)
    images = [*dataset.train, *dataset.val, *dataset.test]
    return Part("train", sorted(images, key=lambda x: x.name), dataset.classes)


def _replace(root):
    save(root / "a/images/one.jpg", noise(20, 30, seed=7))


def _one_byte(root):
    """As many bytes as before, and the same time of change."""
    path = root / "c/images/two.jpg"
    content, time = bytearray(path.read_bytes()), path.stat().st_mtime_ns
    # The last bytes before the marker of the end are pixels.
    content[-40] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(time, time))


def _add(root):
    add_pair(root / "b", "three")


def _remove(root):
    for path in ("a/images/two.jpg", "a/masks/two.png"):
        (root / path).unlink()


def _rename(root):
    for path in ("a/images/two.jpg", "a/masks/two.png"):
        (root / path).rename((root / path).with_stem("zwei"))


@pytest.mark.parametrize("change", [_replace, _one_byte, _add, _remove, _rename])
def test_logits_of_other_images_are_rebuilt(tmp_path, teacher, change):
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


def test_logits_of_images_in_another_order_are_rebuilt(copied, part, teacher):
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


def test_a_data_set_that_was_fetched_again_is_the_same(tmp_path, teacher):
    root, folder = scenes_folder(tmp_path / "scenes"), tmp_path / "logits"
    TeacherCache(folder, teacher, images_in(root)).fill()
    again = shutil.copytree(root, tmp_path / "again", copy_function=shutil.copyfile)
    for path in again.rglob("*.*"):
        os.utime(path, (0, 0))
    assert TeacherCache(folder, teacher, images_in(again)).fill() == 0


def test_images_in_memory_differ_by_their_pixels(tmp_path, teacher):
    """Of a large array, NumPy prints the corners only."""
    image, labels = noise(40, 40), np.zeros((40, 40), np.uint8)
    other = image.copy()
    other[20, 20] ^= 128
    folder = tmp_path / "logits"
    for pixels in (image, other):
        part = Part("train", [held(pixels, labels)], THREE_CLASSES)
        cache = TeacherCache(folder, teacher, part, CacheSettings(stride=1))
        cache.fill()
    assert_to_half_precision(cache.get(0), logits_of(teacher, other))


def test_an_image_that_is_gone_is_a_fault_of_the_data_set(tmp_path, teacher):
    root = scenes_folder(tmp_path / "scenes")
    part = images_in(root)
    (root / "a/images/one.jpg").unlink()
    with pytest.raises(DatasetError, match="one.jpg"):
        TeacherCache(tmp_path / "logits", teacher, part).fill()


# What it survives.
