"""Facts about files count until the files change."""

import os
import time

import numpy as np
import pytest

from segshrink.data import masks, open_dataset, survey
from segshrink.data.remembered import Remembered
from segshrink.errors import DatasetError

from .pictures import THREE_CLASSES, save, scenes_folder, stripes


def settle(root, seconds=100):
    """Let the files be old enough that their times of change are sure."""
    past = time.time() - seconds
    for path in root.rglob("*.*"):
        os.utime(path, (past, past))


def asked(root, path, found=("first", "second")):
    """The facts of two processes that ask one after the other."""
    facts = []
    for fact in found:
        remembered = Remembered(root)
        facts.append(remembered.recall("fact", [path], lambda fact=fact: fact))
        remembered.keep()
    return facts


def test_a_fact_is_found_out_once(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("x")
    settle(tmp_path)
    assert asked(tmp_path, path) == ["first", "first"]
    assert Remembered(tmp_path).recall("other", [path], lambda: 1) == 1


def test_a_file_that_changed_is_asked_about_anew(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("x")
    settle(tmp_path)
    asked(tmp_path, path)
    settle(tmp_path, seconds=50)
    assert asked(tmp_path, path, ["third"]) == ["third"]


def test_a_file_that_was_just_written_is_not_sure(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("x")
    assert asked(tmp_path, path) == ["first", "second"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": "0"}', "[" * 10**5])
def test_a_damaged_file_of_facts_is_as_good_as_none(tmp_path, content):
    path = tmp_path / "a.txt"
    path.write_text("x")
    settle(tmp_path)
    asked(tmp_path, path)
    Remembered(tmp_path)._path.write_text(content)
    assert asked(tmp_path, path, ["third"]) == ["third"]


def test_masks_are_read_once(tmp_path, monkeypatch):
    root = scenes_folder(tmp_path)
    settle(root)
    first = open_dataset(root)
    calls = []
    monkeypatch.setattr(survey, "read_mask", lambda *a, **b: calls.append(a))
    second = open_dataset(root)
    assert calls == []
    assert second.classes == first.classes and second.split == first.split
    for part, images in first.parts.items():
        for image, again in zip(images, second.parts[part], strict=True):
            assert image == again


def test_one_mask_that_changed_is_read_again(tmp_path, monkeypatch):
    root = scenes_folder(tmp_path)
    settle(root)
    open_dataset(root)
    save(root / "a" / "masks" / "one.png", THREE_CLASSES.colorize(stripes(20, 30, 2)))
    calls = []
    real = masks.read_mask
    monkeypatch.setattr(
        survey, "read_mask", lambda *a, **b: calls.append(a[0].where) or real(*a, **b)
    )
    dataset = open_dataset(root)
    assert calls == ["a/masks/one.png"]
    pixels = {
        image.name: image.class_pixels for x in dataset.parts.values() for image in x
    }
    assert pixels["a/one"] == (300, 300, 0)


def test_a_file_that_changes_under_a_run_is_named(tmp_path):
    dataset = open_dataset(scenes_folder(tmp_path))
    image = dataset.train[0]
    save(image.image_path, np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"images/.*: changed since"):
        image.read()
