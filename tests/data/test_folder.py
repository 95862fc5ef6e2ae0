"""Classes of folders, declared or recognised."""

import numpy as np
import pytest

from segshrink.data import open_dataset
from segshrink.errors import DatasetError

from .pictures import (
    AERIAL_CLASSES,
    add_pair,
    camvid_folder,
    noise,
    save,
    scenes_folder,
    stripes,
)


def test_camvid_is_recognised_by_its_folders(tmp_path):
    dataset = open_dataset(camvid_folder(tmp_path))
    assert dataset.name == "CamVid"
    assert dataset.classes.num_classes == 11
    assert dataset.split.as_record() == {
        "source": "folders",
        "train": ["train"],
        "val": ["val"],
        "test": ["test"],
    }
    assert dataset.val[0].name == "val/0001TP_1"
    _, labels = dataset.val[0].read()
    assert set(np.unique(labels)) == {*range(11), 255}


def test_camvid_folders_may_hold_other_classes(tmp_path):
    camvid_folder(tmp_path, largest_index=2)
    (tmp_path / "dataset.yaml").write_text(
        "name: Mine\n"
        "classes: [{name: a, index: 0}, {name: b, index: 2}]\n"
        "void_indices: [1]\n"
    )
    dataset = open_dataset(tmp_path)
    assert (dataset.name, dataset.classes.names) == ("Mine", ("a", "b"))


def test_unknown_colors_are_called_by_their_codes(tmp_path):
    dataset = open_dataset(scenes_folder(tmp_path, description=""))
    assert dataset.classes.names == ("#0000FF", "#00FF00", "#FF0000")
    assert dataset.classes.colors == ((0, 0, 255), (0, 255, 0), (255, 0, 0))
    start = "Nothing names the classes: they are called #0000FF, #00FF00, #FF0000."
    assert any(notice.startswith(start) for notice in dataset.notices)


def mask_folder(root, mask):
    for name in "abc":
        save(root / name / "images" / "x.png", noise(*mask.shape))
        save(root / name / "masks" / "x.png", mask)
    return root


@pytest.mark.parametrize("value", [1, 255])
def test_of_two_indices_0_is_the_background(tmp_path, value):
    root = mask_folder(tmp_path, np.eye(3, 4, dtype=np.uint8) * value)
    classes = open_dataset(root).classes
    assert classes.names == ("background", "foreground")
    assert (classes.indices, classes.void_indices) == ((0, value), ())


def test_unknown_indices_are_counted_and_255_is_void(tmp_path):
    mask = np.array([[0, 3, 7, 255]] * 3, np.uint8)
    dataset = open_dataset(mask_folder(tmp_path, mask))
    assert dataset.classes.names == ("class 0", "class 3", "class 7")
    np.testing.assert_array_equal(dataset.test[0].read()[1], [[0, 1, 2, 255]] * 3)


def test_too_many_codes_are_no_classes(tmp_path):
    mask = np.arange(100, dtype=np.uint8).reshape(10, 10)
    with pytest.raises(DatasetError, match="hold 100 indices: .* at most 64 are"):
        open_dataset(mask_folder(tmp_path, mask))


def test_the_aerial_set_is_recognised_by_its_colors(tmp_path):
    labels = stripes(20, 60, 6)
    labels[:3] = 255  # drawn black
    for name in "abc":
        add_pair(tmp_path / name, "x", labels=labels, classes=AERIAL_CLASSES)
    dataset = open_dataset(tmp_path)
    assert dataset.classes.names == AERIAL_CLASSES.names
    _, read = dataset.test[0].read()
    np.testing.assert_array_equal(read, labels)
