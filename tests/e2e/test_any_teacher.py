"""`segshrink compress` with a teacher that is no Keras model."""

import json

import numpy as np
import pytest

from compression.teacher_files import weights, write_onnx
from e2e.command_line import refused, succeeded, typed
from e2e.run_files import files_of, times_of
from e2e.scenes import NAMES
from segshrink.data import open_dataset
from segshrink.export import write_metadata
from segshrink.metrics import ConfusionMatrix
from segshrink.records import sha256_of
from segshrink.records.measurement import ClassColor
from segshrink.records.metadata import FileMetadata

# The order of the teacher's classes is another than that of the data.
THEIRS = (*NAMES[2:], *NAMES[:2])
RECIPE = """
data: {tile_px: 64}
student:
  kind: compact
  model: {width: 8}
  training: {epochs: 1, tiles_per_epoch: 4, batch_size: 4}
export: {int8: false, onnx: false}
measuring: {rounds: 3, samples: 1}
baselines: true
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def teacher(tmp_path):
    path = write_onnx(tmp_path / "torch.onnx", 0, side_px=48, classes=len(NAMES))
    colors = [ClassColor(name=name, color=(0, 0, 0)) for name in THEIRS]
    write_metadata(path, FileMetadata(classes=colors))
    return path


def test_a_compact_student_learns_from_a_file(recipe, teacher, scenes, tmp_path):
    run, before = tmp_path / "run", sha256_of(teacher)
    command = (
        "compress", scenes, "--recipe", recipe, "--out", run,
        "--set", f"teacher.file={teacher}",
    )  # fmt: skip
    finished = typed(*command)
    assert finished.exit_code == 0, finished.errors
    assert "its classes have another order and are matched by name" in finished.errors
    # It is measured as it is, and only noted in its stage.
    assert sha256_of(teacher) == before
    assert sha256_of(run / "artifacts" / "teacher-float.onnx") == before
    assert {x for x in files_of(run) if x.startswith(("teacher", "baselines"))} == {
        "teacher/record.json",
        *(
            f"baselines/alone/{name}"
            for name in ("epochs.json", "history.csv", "model.keras", "record.json")
        ),
    }
    record = json.loads((run / "teacher" / "record.json").read_text())
    assert record["taken_from"] == ["torch.onnx"]
    names = {path.stem for path in (run / "measurements").glob("*-*.json")}
    assert names == {"teacher-float-onnx", "student-float-litert", "alone-float-litert"}
    row = json.loads((run / "measurements" / "teacher-float-onnx.json").read_text())
    assert row["size"]["sha256"] == before
    assert row["quality"]["mean_iou"] == pytest.approx(_miou(scenes), abs=1e-6)

    times = times_of(run)
    assert succeeded(*command) == finished.out
    assert times_of(run) == times
    write_onnx(teacher, 1, side_px=48, classes=len(NAMES))
    assert "this run was begun with another teacher: " in refused(*command)
    assert times_of(run) == times


def _miou(scenes):
    """Mean IoU of the teacher on the test part, pixel by pixel."""
    kernel, bias = weights(0, len(NAMES))
    order = [THEIRS.index(name) for name in NAMES]
    confusion = ConfusionMatrix(len(NAMES))
    for each in open_dataset(scenes).test:
        image, labels = each.read()
        logits = image.astype(np.float32) / 64 @ kernel + bias
        confusion.update(labels, logits[..., order].argmax(axis=-1))
    return confusion.mean_iou()


def test_a_pruned_student_needs_a_keras_teacher(recipe, teacher, scenes, tmp_path):
    message = refused(
        "compress", scenes, "--out", tmp_path / "run",
        "--set", f"teacher.file={teacher}", "--set", "data.tile_px=64",
    )  # fmt: skip
    assert (
        "teacher.file: a pruned student is made of the layers of one Keras" in message
    )
    message = refused(
        "compress", scenes, "--recipe", recipe, "--out", tmp_path / "run",
        "--set", f"teacher.file=[{teacher}, {teacher}]",
    )  # fmt: skip
    assert "teacher.file: must be different files" in message
    assert not (tmp_path / "run").exists()
