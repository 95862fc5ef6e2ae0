"""Which options of a data set go together, and what they open."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segshrink.cli.data_options import DataOptions
from segshrink.compression.data import open_recipe_data
from segshrink.compression.run_folder import open_run
from segshrink.errors import DatasetError, RunFolderError, UsageError
from segshrink.progress import SilentProgress
from segshrink.recipe import parse_recipe

SPLIT = Path("split.json")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": SPLIT}, "--split has no effect without --data. Drop it."),
        ({"snap_colors": True}, "--snap-colors has no effect without --data. Drop it."),
        ({"resize_masks": True}, "--resize-masks has no effect without --data. Drop "),
        ({"split_seed": 0}, "--split-seed has no effect without --data. Drop it."),
        (
            {"split": SPLIT, "split_seed": 1},
            "--split and --split-seed have no effect without --data. Drop them.",
        ),
        (
            {"source": "folder", "split": SPLIT, "split_seed": 1},
            "--split-seed has no effect with --split. Drop it.",
        ),
        ({"source": "folder", "protocol": "best"}, "must be random-patch, got best"),
        ({"protocol": "random-patch", "split": SPLIT}, "needs --data and --split"),
        (
            {"source": "folder", "protocol": "random-patch"},
            'needs --split FILE.json, which lists the patches of each side: {"patch_si',
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(UsageError) as caught:
        DataOptions(**{"source": None, **options})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"source": None},
        {"source": "folder", "split": SPLIT},
        {"source": "folder", "split_seed": 1},
        # The seed also draws generated scenes, and chooses among patches.
        {"source": "synthetic", "split": SPLIT, "split_seed": 1},
        {
            "source": "folder",
            "split": SPLIT,
            "split_seed": 1,
            "protocol": "random-patch",
        },
    ],
)
def test_options_that_go_together_are_taken(options):
    assert DataOptions(**options).is_given == (options["source"] is not None)


def test_further_options_need_a_data_set():
    DataOptions("folder").refuse_without_data(part="val")
    DataOptions(None).refuse_without_data(part=None, max_drop=None)
    with pytest.raises(UsageError, match="--part and --max-drop have no effect with"):
        DataOptions(None).refuse_without_data(part="val", max_drop=0.0)


def test_the_seed_also_draws_generated_scenes():
    first, same, other = (
        DataOptions("synthetic", split_seed=seed).open(SilentProgress()).test[0].read()
        for seed in (None, 0, 1)
    )
    assert (first[0] == same[0]).all()
    assert (first[0] != other[0]).any()


def jpeg_masks(root):
    """Scenes of 40 x 40 pixels whose masks are JPEG, half as large, and not blank."""
    for scene in "abc":
        labels = np.zeros((20, 20), np.uint8)
        labels[5:15, 8:] = 255
        for folder, pixels in (
            ("images", np.zeros((40, 40, 3), np.uint8)),
            ("masks", labels),
        ):
            path = root / scene / folder / "x.jpg"
            path.parent.mkdir(parents=True)
            Image.fromarray(pixels).save(path, quality=60)
    (root / "dataset.yaml").write_text(
        "classes: [{name: ground, index: 0}, {name: thing, index: 255}]"
    )
    return root


class Told(SilentProgress):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


@pytest.mark.parametrize("protocol", [None, "random-patch"])
def test_masks_are_snapped_and_resized_as_asked(tmp_path, protocol):
    root = jpeg_masks(tmp_path / "data")
    split = None
    if protocol is not None:
        split = tmp_path / "patches.json"
        cells = [[scene, "x", 0, 0] for scene in "abc"]
        content = {
            "patch_size_px": 40,
            "columns": ["tile", "image", "row", "column"],
            "train": cells[:2],
            "val": cells[2:],
        }
        split.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DatasetError, match="--resize-masks"):
        DataOptions(str(root), split, protocol=protocol).open(SilentProgress())
    resized = DataOptions(str(root), split, protocol=protocol, resize_masks=True)
    with pytest.raises(DatasetError, match="--snap-colors"):
        resized.open(SilentProgress())
    both = dataclasses.replace(resized, snap_colors=True)
    told = Told()
    if protocol is not None:
        both.open_patches(told)
        assert [line for line in told.lines if "are snapped to the" in line]
        told.lines.clear()
    _, labels = both.open(told).test[0].read()
    assert [line for line in told.lines if "are snapped to the nearest of" in line]
    assert [line for line in told.lines if "the nearest pixels are taken" in line]
    expected = np.zeros((40, 40), np.uint8)
    expected[10:30, 16:] = 1
    np.testing.assert_array_equal(labels, expected)


def test_a_protocol_opens_patches(tmp_path):
    split = tmp_path / "patches.json"
    cells = [["scene-000", "view", row, 0] for row in range(3)]
    content = {
        "patch_size_px": 64,
        "columns": ["tile", "image", "row", "column"],
        "train": cells[:2],
        "val": cells[2:],
    }
    split.write_text(json.dumps(content), encoding="utf-8")
    options = DataOptions("synthetic", split, protocol="random-patch")
    assert options.open(SilentProgress()).split.leaks
    assert len(options.open_patches(SilentProgress()).split.val) == 1
    with pytest.raises(UsageError, match="Patches need --protocol random-patch"):
        DataOptions("synthetic").open_patches(SilentProgress())
    with pytest.raises(UsageError, match="Name a data set with --data"):
        DataOptions(None).open(SilentProgress())


RECIPE = parse_recipe(
    {
        "data": {"scenes": 6, "scene_px": 64, "split_seed": 2},
        "measuring": {"part": "val"},
    }
)


def begun(folder, recipe=RECIPE):
    dataset = open_recipe_data(recipe, SilentProgress())
    return open_run(folder, recipe, "", dataset).folder, dataset


def test_the_data_of_a_run_are_those_that_it_was_begun_with(tmp_path):
    folder, dataset = begun(tmp_path / "first")
    file = folder / "artifacts" / "m.tflite"
    for source in ("run", str(folder)):
        options = DataOptions(source, files=[file])
        found = options.open(SilentProgress())
        assert found.split == dataset.split
        assert (found.test[0].read()[0] == dataset.test[0].read()[0]).all()
        assert options.part(None) == "val"
        assert options.part("test") == "test"
    assert DataOptions("synthetic", files=[file]).part(None) == "test"


@pytest.mark.parametrize(
    "option",
    [
        {"split": SPLIT},
        {"split_seed": 2},
        {"protocol": "random-patch"},
        {"snap_colors": True},
        {"resize_masks": True},
    ],
)
def test_the_data_of_a_run_take_no_other_split(tmp_path, option):
    folder, _ = begun(tmp_path / "first")
    (name,) = option
    with pytest.raises(UsageError) as caught:
        DataOptions("run", files=[folder / "m.tflite"], **option)
    assert str(caught.value).startswith(
        f"--{name.replace('_', '-')} has no effect with the data of a run ({folder})"
    )


def test_files_without_a_run_or_of_several_have_no_data(tmp_path):
    first, second = (begun(tmp_path / name)[0] for name in ("first", "second"))
    with pytest.raises(UsageError, match="several runs"):
        DataOptions("run", files=[first / "m.tflite", second / "m.tflite"])
    with pytest.raises(UsageError, match="m.tflite lies in no run folder"):
        DataOptions("run", files=[first / "m.tflite", tmp_path / "m.tflite"])


def test_data_of_a_run_that_changed_since_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for scene in "abc":
        for kind in ("images", "masks"):
            path = Path("data") / scene / kind / "x.png"
            path.parent.mkdir(parents=True)
            shape = (64, 64, 3) if kind == "images" else (64, 64)
            pixels = np.random.default_rng(0).integers(0, 2, shape).astype(np.uint8)
            Image.fromarray(pixels).save(path)
    Path("data/dataset.yaml").write_text(
        "classes: [{name: ground, index: 0}, {name: thing, index: 1}]"
    )
    folder, _ = begun(tmp_path / "first", parse_recipe({"data": {"source": "data"}}))
    options = DataOptions(str(folder))
    assert len(options.open(SilentProgress()).test) == 1
    Image.fromarray(np.zeros((64, 64), np.uint8)).save("data/b/masks/x.png")
    with pytest.raises(RunFolderError, match="a run on other data"):
        options.open(SilentProgress())
    monkeypatch.chdir(folder)
    with pytest.raises(DatasetError, match="data: is not there, but the run .*first"):
        options.open(SilentProgress())
