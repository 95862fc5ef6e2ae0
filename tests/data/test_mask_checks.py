"""Masks of a data set as a whole: noise, snapping, resizing, blank ones and copies."""

import io

import numpy as np
import pytest
from PIL import Image

from segshrink.data import inspect_dataset, open_dataset
from segshrink.errors import DatasetError, UsageError

from .pictures import THREE_CLASSES, cut_off, noise, save

BLACK_AND_WHITE = """\
classes:
  - {name: ground, index: 0}
  - {name: disc, index: 255}
"""
BY_COLOR = """\
classes:
  - {name: ground, color: [0, 0, 0]}
  - {name: disc, color: [255, 255, 255]}
"""
SIDE = 64
SCENES = "abcd"


def disc(number, side=SIDE):
    """Labels of a disc on a ground, another one for each number."""
    rows, columns = np.mgrid[:side, :side]
    middle = side * (0.3 + 0.1 * number)
    inside = (rows - middle) ** 2 + (columns - side / 2) ** 2 < (side / 4) ** 2
    return inside.astype(np.uint8)


def as_jpeg(mask, quality=75):
    data = io.BytesIO()
    Image.fromarray(mask).save(data, "JPEG", quality=quality)
    return np.asarray(Image.open(data))


def smoothed(mask):
    large = Image.fromarray(mask).resize((150, 150), Image.Resampling.BILINEAR)
    return np.asarray(large.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def folder(root, mask_of, description="", suffix=".png"):
    """Four scenes of noise, with masks of `mask_of(labels)` or nothing."""
    for number, scene in enumerate(SCENES):
        save(root / scene / "images" / "x.png", noise(SIDE, SIDE, number))
        pixels = mask_of(disc(number))
        save(root / scene / "masks" / f"x{suffix}", pixels)
    if description:
        (root / "dataset.yaml").write_text(description)
    return root


def fault_of(root, **options):
    with pytest.raises(DatasetError) as error:
        open_dataset(root, **options)
    return str(error.value)


def images_of(dataset):
    return [*dataset.train, *dataset.val, *dataset.test]


def labels_of(dataset):
    return {image.scene: image.read()[1] for image in images_of(dataset)}


def changed(mask_of):
    """Pixels that a loop snaps to the nearer of 0 and 255, and the labels then."""
    count, labels = 0, {}
    for number, scene in enumerate(SCENES):
        mask = mask_of(disc(number))
        found = np.zeros(mask.shape, np.uint8)
        for row in range(SIDE):
            for column in range(SIDE):
                value = int(mask[row, column])
                found[row, column] = 255 - value < value
                count += value not in (0, 255)
        labels[scene] = found
    return count, labels


def noisy_jpeg(labels):
    return as_jpeg(labels * 255)


def noisy_edges(labels):
    return smoothed(labels * 255)


@pytest.mark.parametrize("noisy", [noisy_jpeg, noisy_edges])
@pytest.mark.parametrize("description", ["", BLACK_AND_WHITE, BY_COLOR])
def test_noise_is_refused_with_its_remedy(tmp_path, noisy, description):
    """JPEG that was saved as PNG, and soft edges: today's 71 classes."""
    root = folder(tmp_path, noisy, description)
    fault = fault_of(root)
    assert fault.startswith("a/masks/x.png, b/masks/x.png, c/masks/x.png and 1 more: ")
    codes = "#000000, #FFFFFF" if description == BY_COLOR else "0, 255"
    assert f"takes each pixel for the nearest of {codes}. Better, save the" in fault
    advice = "drew them. If all are classes, declare them in dataset.yaml."
    assert fault.endswith(advice) == (not description)
    assert "`--snap-colors` (in a recipe `data.snap_colors: true`)" in fault
    report = inspect_dataset(root)
    assert report.faults == [fault]
    assert not report.holds_classes


def test_noise_that_is_declared_is_told(tmp_path):
    """An earlier `inspect` declared it so."""
    root = folder(tmp_path, noisy_edges)
    codes = sorted(
        {
            code
            for path in root.glob("*/masks/*.png")
            for code in np.unique(Image.open(path)).tolist()
        }
    )
    classes = ", ".join(f"{{name: c{code}, index: {code}}}" for code in codes)
    (root / "dataset.yaml").write_text(f"classes: [{classes}]\n")
    notices = open_dataset(root).notices
    assert any(
        "in single pixels here and there. If the masks were compressed or resized, "
        "declare the other classes only, and `--snap-colors`" in notice
        for notice in notices
    )


@pytest.mark.parametrize("noisy", [noisy_jpeg, noisy_edges])
@pytest.mark.parametrize("description", ["", BLACK_AND_WHITE, BY_COLOR])
def test_snapping_takes_the_nearest_code_and_counts(tmp_path, noisy, description):
    dataset = open_dataset(folder(tmp_path, noisy, description), snap_colors=True)
    count, labels = changed(noisy)
    codes = "#000000, #FFFFFF" if description == BY_COLOR else "0, 255"
    assert (
        f"{count} pixels ({count / (4 * SIDE * SIDE):.2%}) of 4 masks are snapped to "
        f"the nearest of {codes}."
    ) in dataset.notices
    assert dataset.classes.num_classes == 2
    for scene, found in labels_of(dataset).items():
        np.testing.assert_array_equal(found, labels[scene])
    counted = sum(image.count_classes(2) for image in images_of(dataset))
    assert counted.tolist() == [
        sum((each == label).sum() for each in labels.values()) for label in (0, 1)
    ]


@pytest.mark.parametrize("quality", [30, 50, 75, 90, 95])
def test_colours_of_jpeg_masks_are_snapped_to_declared_ones(tmp_path, quality):
    classes = THREE_CLASSES
    root = folder(
        tmp_path,
        lambda labels: as_jpeg(
            classes.colorize(np.hstack([labels[:, :32], labels[:, 32:] + 1])), quality
        ),
        "classes: [{name: red, color: [255, 0, 0]}, {name: green, color: [0, 255, 0]},"
        " {name: blue, color: [0, 0, 255]}]\n",
    )
    labels = labels_of(open_dataset(root, snap_colors=True))
    for number, scene in enumerate(SCENES):
        drawn = disc(number)
        drawn[:, 32:] += 1
        assert (labels[scene] == drawn).mean() > 0.93


def test_jpeg_masks_are_refused_whatever_they_hold(tmp_path):
    root = folder(tmp_path, lambda labels: labels * 255, BLACK_AND_WHITE, ".jpg")
    fault = fault_of(root)
    assert fault == (
        "a/masks/x.jpg, b/masks/x.jpg, c/masks/x.jpg and 1 more: 4 of 4 masks are "
        "JPEG, which changes their colours. `--snap-colors` (in a recipe "
        "`data.snap_colors: true`) takes each pixel for the nearest of 0, 255. Better, "
        "save the masks anew as PNG with the program that drew them."
    )
    found = labels_of(open_dataset(root, snap_colors=True))
    for number, scene in enumerate(SCENES):
        assert (found[scene] == disc(number)).mean() > 0.99


def test_masks_without_noise_need_no_snapping(tmp_path):
    for name, description in (("plain", ""), ("declared", BLACK_AND_WHITE)):
        root = folder(tmp_path / name, lambda labels: labels * 255, description)
        assert any(
            notice.startswith("--snap-colors has no effect: the masks hold no codes ")
            for notice in open_dataset(root, snap_colors=True).notices
        )
        assert not any("snap" in notice for notice in open_dataset(root).notices)


def test_indices_are_never_taken_for_noise_around_0(tmp_path):
    """Without noise, indices beside each other stay, whatever was asked for."""
    root = folder(tmp_path, lambda labels: labels)
    found = labels_of(open_dataset(root, snap_colors=True))
    np.testing.assert_array_equal(found["a"], disc(0))


def test_an_area_of_another_colour_is_no_noise(tmp_path):
    def with_square(labels):
        mask = as_jpeg(labels * 255).copy()
        mask[:20, :20] = 128
        return mask

    root = folder(tmp_path, with_square, BLACK_AND_WHITE)
    assert fault_of(root, snap_colors=True) == (
        "128: far from the codes of all classes, and too common for noise, so that "
        "--snap-colors leaves it. Add it to `classes` or to void in dataset.yaml."
    )


def test_snapping_needs_two_codes_apart(tmp_path):
    root = folder(tmp_path, lambda labels: as_jpeg(labels * 30))
    for path in root.glob("*/masks/*.png"):
        Image.open(path).save(path.with_suffix(".jpg"))
        path.unlink()
    assert "finds no two common codes that are apart" in fault_of(
        root, snap_colors=True
    )


def test_a_few_scattered_pixels_are_told(tmp_path):
    def speckled(labels):
        mask = labels * 255
        mask[5, 5] = 254
        return mask

    notices = open_dataset(folder(tmp_path, speckled)).notices
    assert any(
        each.startswith("254: only in single pixels here and") for each in notices
    )


def test_masks_of_another_size_are_refused_or_resized(tmp_path):
    root = folder(tmp_path, lambda labels: disc(1, 32) * 255, BLACK_AND_WHITE)
    fault = inspect_dataset(root).faults[0]
    assert fault == (
        "a/masks/x.png: is 32 x 32 pixels, but its image a/images/x.png is 64 x 64. "
        "Make both the same size (masks without interpolation), or let `--resize-masks`"
        " (in a recipe `data.resize_masks: true`) take the nearest pixels of the mask."
    )
    dataset = open_dataset(root, resize_masks=True)
    assert (
        "4 masks have another size than their image: the nearest pixels are taken."
        in dataset.notices
    )
    small = disc(1, 32)
    expected = np.zeros((SIDE, SIDE), np.uint8)
    for row in range(SIDE):
        for column in range(SIDE):
            expected[row, column] = small[row // 2, column // 2]
    for found in labels_of(dataset).values():
        np.testing.assert_array_equal(found, expected)
    assert sum(dataset.train[0].count_classes(2)) == SIDE * SIDE


def test_masks_that_lie_across_are_not_resized(tmp_path):
    root = folder(tmp_path, lambda labels: labels * 255, BLACK_AND_WHITE)
    save(root / "a" / "images" / "x.png", noise(30, 20))
    save(root / "a" / "masks" / "x.png", np.zeros((20, 30), np.uint8))
    fault = fault_of(root, resize_masks=True)
    assert fault.startswith("a/masks/x.png: is 30 x 20 pixels, but its image")


def test_resizing_without_effect_is_told(tmp_path):
    root = folder(tmp_path, lambda labels: labels * 255, BLACK_AND_WHITE)
    assert (
        "--resize-masks has no effect: each mask has the size of its image. Leave it "
        "out."
    ) in open_dataset(root, resize_masks=True).notices


@pytest.mark.parametrize("option", ["snap_colors", "resize_masks"])
def test_generated_scenes_have_no_such_masks(option):
    with pytest.raises(UsageError, match=f"{option} have no effect on 'synthetic'"):
        open_dataset("synthetic", **{option: True})


def test_blank_masks_are_told(tmp_path):
    root = folder(tmp_path, lambda labels: labels * 255, BLACK_AND_WHITE)
    save(root / "b" / "masks" / "x.png", np.zeros((SIDE, SIDE), np.uint8))
    notices = inspect_dataset(root).notices
    assert "1 of 4 masks are blank, of 0 only: b/masks/x.png." in notices
    root = folder(tmp_path / "all", lambda labels: labels * 0, BLACK_AND_WHITE)
    assert "All masks are blank: every pixel is 0." in inspect_dataset(root).notices


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_masks_that_are_the_image_are_told(tmp_path, suffix):
    """A copy of the file, or of its pixels in another format."""
    root = folder(
        tmp_path, lambda labels: THREE_CLASSES.colorize(labels), suffix=suffix
    )
    save(root / "b" / "masks" / f"x{suffix}", noise(SIDE, SIDE, 1))
    notices = inspect_dataset(root).notices
    assert f"1 of 4 masks show their image itself: b/masks/x{suffix}." in notices
    for number, scene in enumerate(SCENES):
        save(root / scene / "masks" / f"x{suffix}", noise(SIDE, SIDE, number))
    assert inspect_dataset(root).faults == [
        f"a/masks/x{suffix}, b/masks/x{suffix}, c/masks/x{suffix} and 1 more: every "
        "mask shows its image itself, pixel by pixel. Put the masks in its place."
    ]


def test_one_broken_file_is_named_beside_all_other_faults(tmp_path):
    root = folder(tmp_path, noisy_jpeg, BLACK_AND_WHITE)
    cut_off(root / "c" / "images" / "x.png")
    cut_off(root / "d" / "masks" / "x.png")
    faults = inspect_dataset(root).faults
    assert [fault.split(":")[0] for fault in faults] == [
        "c/images/x.png",
        "d/masks/x.png",
        "a/masks/x.png, b/masks/x.png",
    ]
