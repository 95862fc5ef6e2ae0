"""The figures of the model that comes along, by running it."""

import json
import os
from pathlib import Path

import pytest

from e2e.command_line import succeeded
from segshrink.records import sha256_of
from segshrink.runtimes import load_artifact, shipped_model

REPOSITORY = Path(__file__).resolve().parents[2]
AERIAL = Path(
    os.environ.get("SEGSHRINK_AERIAL", REPOSITORY.parent / "shared" / "aerial")
)
RECORD = REPOSITORY / "results/aerial/random_patch/quality/aerial.tflite.json"
MEASURES = (
    "pixel_accuracy",
    "precision_at_half",
    "recall_at_half",
    "soft_jaccard",
    "mean_iou",
)


def test_the_record_is_of_the_file_and_the_file_tells_the_same():
    record = json.loads(RECORD.read_text())
    assert record["size"]["sha256"] == sha256_of(shipped_model())
    told = load_artifact(shipped_model()).metadata.as_plain()["quality"]
    for name in MEASURES:
        assert told[name] == pytest.approx(record["quality"][name], abs=1e-4)


@pytest.mark.skipif(
    not AERIAL.is_dir(), reason="the aerial set is not here: set SEGSHRINK_AERIAL"
)
def test_evaluate_reproduces_the_record(tmp_path):
    """To the last pixel: int8 in LiteRT is the same on every processor so far."""
    found = tmp_path / "quality.json"
    printed = succeeded(
        "evaluate", shipped_model(), AERIAL / "Semantic segmentation dataset",
        "--protocol", "random-patch", "--split", AERIAL / "splits/random_patch.json",
        "--json", found,
    )  # fmt: skip
    ours, theirs = (json.loads(x.read_text())["quality"] for x in (found, RECORD))
    for name in MEASURES:
        assert ours[name] == pytest.approx(theirs[name], abs=1e-4)
    assert ours["patches"] == theirs["patches"] == 261
    assert f"mean IoU {theirs['mean_iou']:.4f}" in printed
