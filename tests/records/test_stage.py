"""Records of stages: their keys on disk, and those that older versions wrote."""

import json
from pathlib import Path

import pytest

from segshrink.errors import RunFolderError
from segshrink.records.measurement import Role
from segshrink.records.stage import (
    StageRecord,
    TakenRecord,
    TrainedRecord,
    TrainingTime,
)

KEPT = sorted((Path(__file__).parents[2] / "results").rglob("record.json"))
TRAINED = {
    "kind": "teacher",
    "parameters": 12,
    "macs": 34,
    "seed": 0,
    "versions": "segshrink 0.1.0, keras 3.15.1, tensorflow",
    "epochs": 3,
    "best_epoch": 2,
    "best_val_miou": 0.5,
    "best_val_loss": None,
    "seconds": 1.5,
    "tiles": 24,
    "teacher_seconds": 0.25,
}


def test_a_trained_model_has_the_same_keys_in_its_file(tmp_path):
    path = tmp_path / "record.json"
    TrainedRecord(**TRAINED).write(path)
    assert json.loads(path.read_text()) == TRAINED
    record = TrainedRecord.read(path)
    assert record.kind is Role.TEACHER and record.best_val_loss is None
    assert record.total_seconds == 1.75


def test_fields_that_only_some_stages_have_are_added():
    record = TrainedRecord(**TRAINED).model_copy(update={"sparsity": 0.5})
    assert record.as_plain() == TRAINED | {"sparsity": 0.5}


def test_steps_are_kept_where_they_are_known(tmp_path):
    steps = {"steps": 30, "steps_to_90_percent": 20}
    TrainedRecord(**TRAINED, **steps).write(tmp_path / "record.json")
    record = TrainedRecord.read(tmp_path / "record.json")
    assert (record.steps, record.steps_to_90_percent) == (30, 20)
    assert TrainedRecord(**TRAINED).steps is None


@pytest.mark.parametrize("path", KEPT, ids=lambda path: "/".join(path.parts[-4:-1]))
def test_records_that_are_kept_in_results_are_readable(path):
    plain = json.loads(path.read_text())
    record = TrainedRecord.read(path)
    assert record.as_plain() == plain
    assert record.total_seconds >= plain["seconds"]


def test_records_are_kept_in_results():
    assert len(KEPT) > 10


def test_a_baseline_of_an_early_version_has_no_versions():
    plain = {key: value for key, value in TRAINED.items() if key != "versions"}
    record = TrainedRecord.parse(plain | {"kind": "masked"}, where="record.json")
    assert record.kind is Role.MASKS_ONLY and record.versions == ""


def test_a_model_from_a_file_was_not_trained_here():
    record = TakenRecord(
        kind=Role.TEACHER, parameters=1, macs=2, seed=0, taken_from="t.keras", sha256=""
    )
    plain = record.as_plain()
    assert StageRecord.parse(plain, where="").parameters == 1
    assert TrainingTime.parse(plain, where="").total_seconds == 0


def test_a_model_from_a_file_is_not_read_as_a_trained_one(tmp_path):
    path = tmp_path / "record.json"
    plain = {"kind": "teacher", "parameters": 1, "macs": 2, "seed": 0}
    path.write_text(json.dumps(plain))
    with pytest.raises(RunFolderError, match="not a record of the known shape"):
        TrainedRecord.read(path)
