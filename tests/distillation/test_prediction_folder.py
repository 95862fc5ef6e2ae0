"""Predictions of a folder as logits, hard and soft, and what is refused."""

import contextlib
import dataclasses
import unicodedata

import numpy as np
import pytest
from scipy.special import softmax

from data.pictures import BLACK, THREE_CLASSES, held, noise, save, stripes
from segshrink.data import Classes, Part
from segshrink.distillation import CacheSettings, FolderLogits, TeacherCache
from segshrink.errors import DatasetError, UsageError

HOW = {"overlap": 0.125, "averaged": False}
SIZE = (12, 9)
LABELS = stripes(*SIZE)
NAMES = ("north/1/view", "south/view", "alone")


@pytest.fixture
def images():
    return [held(noise(*SIZE), LABELS, name=name) for name in NAMES]


def soft(seed=0, size=SIZE):
    logits = np.random.default_rng(seed).normal(size=(*size, 3), scale=3)
    return logits.astype(np.float32)


def opened(folder, classes=THREE_CLASSES):
    return FolderLogits(folder, classes)


def logits_of(folder, image, classes=THREE_CLASSES):
    pixels = np.zeros((image.height_px, image.width_px, 3), np.uint8)
    return opened(folder, classes).logits(image, pixels, **HOW)


def stored(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        np.savez_compressed(path, values)
    else:
        np.save(path, values)


def test_a_mask_of_colours_is_a_certainty_of_nine_tenths(tmp_path, images):
    save(tmp_path / "alone.png", THREE_CLASSES.colorize(LABELS))
    logits = logits_of(tmp_path, images[2])
    expected = np.where(LABELS[..., None] == np.arange(3), 0.9, 0.05)
    np.testing.assert_allclose(np.exp(logits), expected, atol=1e-6)
    assert logits.dtype == np.float32


def test_a_mask_of_indices_is_read_as_the_masks_of_the_data(tmp_path, images):
    classes = Classes(("a", "b", "c"), THREE_CLASSES.colors, indices=(7, 3, 5))
    codes = np.array([7, 3, 5], np.uint8)[LABELS]
    save(tmp_path / "alone.png", codes)
    logits = logits_of(tmp_path, images[2], classes)
    np.testing.assert_array_equal(logits.argmax(axis=-1), LABELS)
    save(tmp_path / "alone.png", codes + 1)
    with pytest.raises(DatasetError, match="not a class of this data set"):
        logits_of(tmp_path, images[2], classes)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_arrays_are_probabilities_or_logits(tmp_path, images, suffix, kind):
    values = soft().astype(kind)
    stored(tmp_path / f"alone{suffix}", values)
    np.testing.assert_array_equal(
        logits_of(tmp_path, images[2]), values.astype(np.float32)
    )
    shares = softmax(values.astype(float), axis=-1).astype(kind)
    stored(tmp_path / f"alone{suffix}", shares)
    logits = logits_of(tmp_path, images[2])
    np.testing.assert_allclose(np.exp(logits), shares, rtol=1e-5, atol=1.1e-7)


def test_files_are_found_by_the_name_of_the_image(tmp_path, images):
    places = ("north/1/masks/view.npy", "south/view.npy", "deep/inside/alone.npz")
    for seed, place in enumerate(places):
        stored(tmp_path / place, soft(seed))
    # Files of other images, hidden files and files of other kinds do not count.
    stored(tmp_path / "north/2/view.npy", soft(8))
    stored(tmp_path / "south/.view.npy", soft(9))
    (tmp_path / "south/view.txt").write_text("soft")
    assert opened(tmp_path).require_all(images) == (0, 3)
    for seed, image in enumerate(images):
        np.testing.assert_array_equal(logits_of(tmp_path, image), soft(seed))


def test_endings_count_in_capitals(tmp_path, images):
    stored(tmp_path / "alone.npy", soft())
    (tmp_path / "alone.npy").rename(tmp_path / "alone.NPY")
    np.testing.assert_array_equal(logits_of(tmp_path, images[2]), soft())


def test_names_count_in_either_unicode_form(tmp_path, images):
    image = dataclasses.replace(images[0], name="süd/Köln")
    path = tmp_path / unicodedata.normalize("NFD", "süd/masks/Köln.npy")
    stored(path, soft())
    np.testing.assert_array_equal(logits_of(tmp_path, image), soft())


def test_hard_and_soft_ones_are_counted(tmp_path, images):
    save(tmp_path / "north/1/view.png", THREE_CLASSES.colorize(LABELS))
    stored(tmp_path / "south/view.npy", soft())
    stored(tmp_path / "alone.npz", soft())
    assert opened(tmp_path).require_all(images) == (1, 2)


def test_missing_and_double_ones_are_refused(tmp_path, images):
    with pytest.raises(DatasetError, match=r"holds no predictions \(\.png, \.npy"):
        opened(tmp_path)
    stored(tmp_path / "alone.npy", soft())
    with pytest.raises(
        DatasetError, match=r"for 2 of 3 images \(north/1/view, south/view\)"
    ):
        opened(tmp_path).require_all(images)
    with pytest.raises(
        DatasetError, match="south/view must have one prediction, got n"
    ):
        logits_of(tmp_path, images[1])
    stored(tmp_path / "alone.npz", soft())
    with pytest.raises(DatasetError, match=r"one prediction, got .*npy, .*npz\. Keep"):
        opened(tmp_path).require_all(images[2:])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (soft(size=(12, 8)), r"is 12 x 8 pixels .* image alone is 12 x 9"),
        (soft()[..., :2], r"floats \(height, width, 3\) for red, green, blue, got fl"),
        (np.zeros((*SIZE, 3), np.uint8), r"must hold floats .*, got uint8 \(12, 9, 3"),
        (np.full((*SIZE, 3), np.nan), "holds values that are not finite"),
        (np.array([{}]), "cannot be read as an array of numbers"),
    ],
)
def test_other_arrays_are_refused(tmp_path, images, values, message):
    np.save(tmp_path / "alone.npy", values, allow_pickle=True)
    with pytest.raises(DatasetError, match=message):
        logits_of(tmp_path, images[2])


def test_damaged_and_crowded_files_are_refused(tmp_path, images):
    (tmp_path / "alone.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(DatasetError, match="cannot be read as an array of numbers"):
        logits_of(tmp_path, images[2])
    np.savez(tmp_path / "alone.npz", first=soft(), second=soft())
    with pytest.raises(DatasetError, match="one array, got first, second"):
        logits_of(tmp_path, images[2])


def test_damage_anywhere_is_one_error(tmp_path, images):
    for suffix, written in ((".npy", np.save), (".npz", np.savez_compressed)):
        path = tmp_path / f"alone{suffix}"
        written(path, soft())
        whole = path.read_bytes()
        for place in range(0, len(whole), len(whole) // 100 + 1):
            for bit in (0, 5):
                flipped = bytearray(whole)
                flipped[place] ^= 1 << bit
                path.write_bytes(flipped)
                with contextlib.suppress(DatasetError):
                    logits_of(tmp_path, images[2])
        path.unlink()


def test_void_in_a_mask_is_refused(tmp_path, images):
    classes = dataclasses.replace(THREE_CLASSES, void_colors=(BLACK,))
    colors = classes.colorize(LABELS)
    colors[:2, :3] = BLACK
    save(tmp_path / "alone.png", colors)
    with pytest.raises(DatasetError, match="6 pixels are void, but a teacher"):
        logits_of(tmp_path, images[2], classes)


def test_the_digest_is_of_names_bytes_and_classes(tmp_path):
    stored(tmp_path / "alone.npy", soft())
    first = opened(tmp_path).digest()
    assert opened(tmp_path).digest() == first
    other = Classes(("x", "y", "z"), THREE_CLASSES.colors)
    assert opened(tmp_path, other).digest() != first
    (tmp_path / "alone.npy").rename(tmp_path / "other.npy")
    assert opened(tmp_path).digest() != first
    (tmp_path / "other.npy").rename(tmp_path / "alone.npy")
    stored(tmp_path / "alone.npy", soft(1))
    assert opened(tmp_path).digest() != first


def test_a_cache_holds_them_and_refuses_other_views(tmp_path, images):
    folder = tmp_path / "predicted"
    for seed, image in enumerate(images):
        stored(folder / f"{image.name}.npy", soft(seed))
    part, teacher = Part("train", images, THREE_CLASSES), opened(folder)
    cache = TeacherCache(tmp_path / "cache", teacher, part, CacheSettings(stride=1))
    assert cache.fill() == 3
    for seed in range(3):
        np.testing.assert_array_equal(cache.get(seed), soft(seed).astype(np.float16))
    again = TeacherCache(tmp_path / "cache", opened(folder), part, cache.settings)
    assert again.fill() == 0
    for settings in ({"views": 2, "photometric": 0.4}, {"averaged": True}):
        with pytest.raises(UsageError, match="no effect on predictions from a folder"):
            TeacherCache(tmp_path / "x", teacher, part, CacheSettings(**settings))
