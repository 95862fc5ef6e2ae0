"""Training parts made of patches, as a public protocol has them."""

import json

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler

from segshrink.data import (
    IGNORE_INDEX,
    TileSampler,
    TileSettings,
    open_dataset,
    open_patch_dataset,
    open_patches,
)
from segshrink.errors import DatasetError
from segshrink.recipe import Augmentation

from .pictures import add_pair, scenes_folder, stripes

PARTS = ("train", "val", "test")
CELLS = [(image, row, column) for image in ("one", "two") for row in (0, 1)
         for column in (0, 1, 2)]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Images of 20 x 30, which are 2 x 3 patches of 10; one begins with void."""
    root = scenes_folder(tmp_path / "scenes", names=("a", "b"))
    labels = stripes(20, 30)
    labels[:, :5] = IGNORE_INDEX
    add_pair(root / "c", "one", labels=labels)
    return root


def split_file(folder, *, train=None, val=None, **more):
    cells = [[scene, *cell] for scene in "ab" for cell in CELLS]
    cells += [["c", "one", row, column] for row in (0, 1) for column in (0, 1, 2)]
    content = {
        "patch_size_px": 10,
        "columns": ["tile", "image", "row", "column"],
        "train": cells[6:] if train is None else train,
        "val": cells[:6] if val is None else val,
    } | more
    path = folder.parent / "patches.json"
    path.write_text(json.dumps(content))
    return path


def test_every_patch_is_in_one_part(folder):
    path = split_file(folder)
    dataset = open_patch_dataset(folder, path)
    names = {part: [image.name for image in getattr(dataset, part)] for part in PARTS}
    divided = open_patches(folder, path).split
    assert sorted(names["test"]) == sorted(map(str, divided.val))
    assert sorted(names["train"] + names["val"]) == sorted(map(str, divided.train))
    # A twentieth of 24, but one at least.
    assert len(names["val"]) == 1


def test_the_seed_chooses_what_the_best_epoch_is_chosen_by(folder):
    path = split_file(folder)
    chosen = [open_patch_dataset(folder, path, seed=seed).val[0].name
              for seed in (0, 0, 1, 2, 3)]  # fmt: skip
    assert chosen[0] == chosen[1]
    assert len(set(chosen)) > 1


def test_patches_are_stretched_each_by_itself(folder):
    dataset = open_patch_dataset(folder, split_file(folder))
    whole = {image.name: image for image in open_patches(
        folder, split_file(folder)
    ).images}  # fmt: skip
    for image in (*dataset.train, *dataset.test):
        found, _ = image.read()
        name, _, row, _, column = image.name.rsplit(" ", 4)
        top, left = 10 * int(row), 10 * int(column)
        patch = whole[name].read()[0][top : top + 10, left : left + 10]
        scaled = MinMaxScaler((0, 255)).fit_transform(patch.reshape(-1, 3))
        assert found.dtype == np.uint8
        assert np.abs(found - scaled.reshape(10, 10, 3)).max() <= 0.5 + 1e-6


@pytest.mark.parametrize(("void_as", "expected"), [(None, 0), ("blue", 2)])
def test_void_is_the_class_that_the_protocol_makes_of_it(folder, void_as, expected):
    changes = {} if void_as is None else {"void_as": void_as}
    dataset = open_patch_dataset(folder, split_file(folder, **changes))
    patches = [x for x in (*dataset.train, *dataset.val) if x.name.startswith("c/one")]
    labels = {x.name: x.read()[1] for x in patches}
    assert not any((found == IGNORE_INDEX).any() for found in labels.values())
    left = [found for name, found in labels.items() if name.endswith("column 0")]
    assert all((found[:, :5] == expected).all() for found in left)
    counts = sum(x.count_classes(3) for x in patches)
    assert counts.sum() == 100 * len(patches)


def test_its_split_says_that_it_leaks(folder):
    dataset = open_patch_dataset(folder, split_file(folder))
    assert dataset.split.leaks
    assert dataset.split.source == "patches of file patches.json"
    assert dataset.split.test == ("a",)
    assert "leak" in dataset.notices[0]
    assert not open_dataset("synthetic").split.leaks


def test_an_image_is_decoded_once_for_its_patches(folder, monkeypatch):
    dataset = open_patch_dataset(folder, split_file(folder))
    read = []
    of_class = type(dataset.train[0].images._part[0])
    original = of_class.read
    monkeypatch.setattr(
        of_class, "read", lambda self: read.append(self.name) or original(self)
    )
    for image in dataset.train:
        image.read()
    assert len(read) == len(set(read)) > 1


def test_patches_reach_batches(folder):
    dataset = open_patch_dataset(folder, split_file(folder))
    plain = Augmentation(
        flips=False, quarter_turns=False, scale_jitter=(1, 1), photometric=0
    )
    settings = TileSettings(tile_px=10, batch_size=4, augmentation=plain)
    sampler = TileSampler(dataset.train, settings, seed=0)
    known = {image.read()[0].tobytes() for image in dataset.train}
    found = [tile for step in range(sampler.steps_per_epoch)
             for tile in sampler.batch(0, step)[0]]  # fmt: skip
    assert {tile.tobytes() for tile in found} == known


def test_descriptions_of_patches_do_not_change_from_run_to_run(folder):
    # What was kept for an image is found again by it.
    one, two = (open_patch_dataset("synthetic", synthetic_split(folder))
                for _ in range(2))  # fmt: skip
    assert [repr(x) for x in one.train] == [repr(x) for x in two.train]


def synthetic_split(folder):
    image = open_dataset("synthetic").train[0]
    scene, name = image.name.split("/")
    cells = [[scene, name, 0, column] for column in range(3)]
    return split_file(folder, train=cells[:2], val=cells[2:])


def test_one_patch_is_too_few_to_train(folder):
    path = split_file(folder, train=[["a", "one", 0, 0]], val=[["a", "one", 0, 1]])
    with pytest.raises(DatasetError, match="at least two patches.*got 1"):
        open_patch_dataset(folder, path)


def test_unlabelled_images_go_with_patches(folder):
    dataset = open_patch_dataset(
        folder, split_file(folder), unlabelled=[folder / "a" / "images"]
    )
    assert [each.name for each in dataset.unlabelled] == [
        "images/one",
        "images/two",
    ]
