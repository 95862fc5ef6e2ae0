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


def test_unknown_colors_are_listed_with_their_shares(tmp_path):
    root = scenes_folder(tmp_path, description="")
    with pytest.raises(DatasetError) as error:
        open_dataset(root)
    assert str(error.value) == (
        f"{root}: there is no dataset.yaml, and the masks' colours fit no known "
        "data set: #0000FF 33.3%, #00FF00 33.3%, #FF0000 33.3%. "
        f"`segshrink inspect {root}` writes a dataset.yaml to start from; put it into "
        "the folder and give the classes their names."
    )


def test_unknown_indices_are_listed_as_such(tmp_path):
    for name in "abc":
        save(tmp_path / name / "images" / "x.png", noise(3, 4))
        save(tmp_path / name / "masks" / "x.png", np.eye(3, 4, dtype=np.uint8) * 255)
    shares = "the masks' indices fit no known data set: 0 75.0%, 255 25.0%"
    with pytest.raises(DatasetError, match=shares):
        open_dataset(tmp_path)


def test_the_aerial_set_is_recognised_by_its_colors(tmp_path):
    labels = stripes(20, 60, 6)
    labels[:3] = 255  # drawn black
    for name in "abc":
        add_pair(tmp_path / name, "x", labels=labels, classes=AERIAL_CLASSES)
    dataset = open_dataset(tmp_path)
    assert dataset.classes.names == AERIAL_CLASSES.names
    _, read = dataset.test[0].read()
    np.testing.assert_array_equal(read, labels)
