"""The pass over the files of a folder: kinds of masks, conversions and damage."""

import numpy as np
import pytest

from segshrink.data import inspect_dataset, open_dataset
from segshrink.errors import DatasetError

from .pictures import THREE_CLASSES, noise, save, scenes_folder, stripes


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
        save(tmp_path / scene / "masks" / "x.tif", np.zeros((20, 30), np.float32))
    (tmp_path / "dataset.yaml").write_text("classes: [{name: a, index: 0}]\n")
    with pytest.raises(DatasetError, match="kind 'F'. Save it as greyscale, or"):
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
