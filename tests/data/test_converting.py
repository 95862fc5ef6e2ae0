"""What is converted is the same data set again."""

import numpy as np
import pytest

from segshrink.data import convert_dataset, open_dataset
from segshrink.errors import DatasetError

from .pictures import camvid_folder, scenes_folder


def assert_equal(one, other):
    assert one.classes.names == other.classes.names
    assert one.classes.colors == other.classes.colors
    assert one.parts.keys() == other.parts.keys()
    for name, part in one.parts.items():
        theirs = {image.name: image for image in other.parts[name]}
        assert len(theirs) == len(part)
        for image in part:
            for ours, read in zip(image.read(), theirs[image.name].read(), strict=True):
                np.testing.assert_array_equal(ours, read)


@pytest.mark.parametrize("make", [scenes_folder, camvid_folder])
def test_a_folder(tmp_path, make):
    converted = convert_dataset(make(tmp_path / "data"), tmp_path / "out", seed=1)
    again = open_dataset(tmp_path / "out")
    assert_equal(converted, again)
    assert again.split.source == "dataset.yaml"
    assert again.split.parts == converted.split.parts


def test_generated_scenes(tmp_path):
    options = {"scenes": 3, "scene_px": 64}
    converted = convert_dataset("synthetic", tmp_path / "out", **options)
    assert_equal(converted, open_dataset(tmp_path / "out"))


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("")
    with pytest.raises(DatasetError, match="out: exists already"):
        convert_dataset("synthetic", tmp_path / "out")


def test_a_faulty_data_set_leaves_nothing(tmp_path):
    root = scenes_folder(tmp_path / "data")
    (root / "a" / "masks" / "one.png").unlink()
    with pytest.raises(DatasetError):
        convert_dataset(root, tmp_path / "out")
    assert not (tmp_path / "out").exists()
