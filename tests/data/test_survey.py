"""The pass over the files of a folder: kinds of masks, conversions and damage."""

import numpy as np
import pytest
from PIL import Image

from segshrink.data import inspect_dataset, open_dataset
from segshrink.errors import DatasetError

from .pictures import DESCRIPTION, THREE_CLASSES, noise, save, scenes_folder, stripes


@pytest.mark.parametrize("kind", [np.uint16, np.int32])
def test_index_masks_may_have_more_than_eight_bits(tmp_path, kind):
    labels = stripes(20, 30, 2)
    for scene in "abc":
        save(tmp_path / scene / "images" / "x.png", noise(20, 30))
        save(tmp_path / scene / "masks" / "x.tif", labels.astype(kind) * 999 + 1)
    (tmp_path / "dataset.yaml").write_text(
        "classes: [{name: a, index: 1}, {name: b, index: 1000}]\n"
    )
    dataset = open_dataset(tmp_path)
    np.testing.assert_array_equal(dataset.train[0].read()[1], labels)
    assert dataset.notices == ()


def test_a_mask_of_fractions_holds_no_indices(tmp_path):
    for scene in "abc":
        save(tmp_path / scene / "images" / "x.png", noise(20, 30))
        fractions = np.full((20, 30), 0.5, np.float32)
        save(tmp_path / scene / "masks" / "x.tif", fractions)
    (tmp_path / "dataset.yaml").write_text("classes: [{name: a, index: 0}]\n")
    with pytest.raises(DatasetError, match="a/masks/x.tif: a mask of indices holds wh"):
        open_dataset(tmp_path)


def rgba_mask():
    picture = THREE_CLASSES.colorize(stripes(20, 30))
    return np.dstack([picture, np.full((20, 30), 255, np.uint8)])


def test_conversions_are_reported_once_per_kind(tmp_path):
    scenes_folder(tmp_path)
    for name in "ab":
        save(tmp_path / name / "images" / "grey.png", noise(20, 30)[..., 0])
        save(tmp_path / name / "masks" / "grey.png", rgba_mask())
    assert open_dataset(tmp_path).notices == (
        "2 images are greyscale, turned to RGB.",
        "2 masks have an alpha channel, which is dropped.",
    )


def test_damage_in_the_middle_of_an_image_is_found(tmp_path):
    scenes_folder(tmp_path)
    path = save(tmp_path / "a" / "images" / "one.jpg", noise(20, 30))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + b"\xff\xd9")
    save(tmp_path / "b" / "images" / "two.png", noise(20, 30))
    (tmp_path / "b" / "images" / "two.jpg").unlink()
    path = tmp_path / "b" / "images" / "two.png"
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 255
    path.write_bytes(whole)
    (fault,) = [f for f in inspect_dataset(tmp_path).faults if f.startswith("b/")]
    assert fault.startswith("b/images/two.png: cannot be decoded")


def turned_photos(root, suffix, orientation, mask_of):
    """Photos 20 x 30 as shown, stored in an orientation, and what `mask_of` makes."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    labels = stripes(20, 30)
    labels[:7] = 0
    for scene in "abc":
        stored = {3: np.rot90(labels, 2), 6: np.rot90(labels)}[orientation]
        photo = Image.fromarray(THREE_CLASSES.colorize(stored))
        path = root / scene / "images" / f"x.{suffix}"
        path.parent.mkdir(parents=True)
        options = {"lossless": True} if suffix == "webp" else {"quality": 100}
        photo.save(path, exif=exif, **(options if suffix != "tif" else {}))
        save(root / scene / "masks" / "x.png", mask_of(labels))
    (root / "dataset.yaml").write_text(DESCRIPTION)
    return labels


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_masks_fit_photos_as_viewers_show_them(tmp_path, suffix, orientation):
    labels = turned_photos(tmp_path, suffix, orientation, THREE_CLASSES.colorize)
    dataset = open_dataset(tmp_path)
    assert dataset.notices == (
        "3 images have an EXIF orientation, which is applied: pixels are taken as "
        "viewers show them.",
    )
    image, found = dataset.train[0].read()
    np.testing.assert_array_equal(found, labels)
    # The picture shows its labels: a mistaken orientation would show others.
    colors = THREE_CLASSES.colorize(labels).astype(int)
    close = np.abs(image - colors).max(axis=-1) < 100
    assert close.mean() > (0.85 if suffix == "jpg" else 0.999)


def test_masks_of_photos_as_they_are_stored_are_told_so(tmp_path):
    turned_photos(
        tmp_path, "png", 6, lambda x: np.rot90(THREE_CLASSES.colorize(x)).copy()
    )
    assert inspect_dataset(tmp_path).faults[0] == (
        "a/masks/x.png: is 20 x 30 pixels, but its image a/images/x.png is 30 x 20 as "
        "viewers show it, since it has EXIF orientation 6. The mask fits the image as "
        "it is stored. Turn the mask, or remove the orientation from the image "
        "(`exiftool -Orientation= x.png`)."
    )


def test_an_orientation_of_a_mask_is_applied(tmp_path):
    labels = turned_photos(tmp_path, "png", 6, THREE_CLASSES.colorize)
    for scene in "abc":
        path = tmp_path / scene / "masks" / "x.png"
        path.write_bytes((tmp_path / scene / "images" / "x.png").read_bytes())
        save(tmp_path / scene / "images" / "x.png", noise(20, 30))
    np.testing.assert_array_equal(open_dataset(tmp_path).train[0].read()[1], labels)
