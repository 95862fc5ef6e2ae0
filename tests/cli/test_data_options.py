"""Which options of a data set go together, and what they open."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segshrink.cli.data_options import DataOptions
from segshrink.errors import DatasetError, UsageError
from segshrink.progress import SilentProgress

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
