"""Stages that are done once, and their records."""

import json

import pytest

from segshrink.compression.stage import require_role, run_stage
from segshrink.errors import RunFolderError
from segshrink.records.measurement import Role
from segshrink.records.stage import StageRecord

RECORD = StageRecord(kind=Role.TEACHER, parameters=3, macs=4, seed=1)


def test_stage_with_a_record_is_not_run_again(tmp_path):
    calls = []

    def make(folder):
        calls.append(folder)
        (folder / "checkpoint").mkdir(parents=True)
        return RECORD

    first = run_stage(tmp_path / "stage", make, StageRecord)
    assert run_stage(tmp_path / "stage", make, StageRecord) == first == RECORD
    assert calls == [tmp_path / "stage"]
    assert [path.name for path in (tmp_path / "stage").iterdir()] == ["record.json"]


def test_stage_that_fails_leaves_no_record_and_runs_again(tmp_path):
    def fail(folder):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stage(tmp_path, fail, StageRecord)
    assert list(tmp_path.iterdir()) == []
    assert run_stage(tmp_path, lambda folder: RECORD, StageRecord) == RECORD


def test_folder_of_another_role_is_refused(tmp_path):
    require_role(tmp_path, Role.TEACHER)
    (tmp_path / "record.json").write_text(json.dumps(RECORD.as_plain()))
    require_role(tmp_path, Role.TEACHER)
    with pytest.raises(RunFolderError, match="holds a teacher, not a student"):
        require_role(tmp_path, Role.STUDENT)
