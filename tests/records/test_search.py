"""The record of a search, and the files that it exchanges with a trial."""

import pytest
from pydantic import ValidationError

from segshrink.errors import RunFolderError
from segshrink.records.search import Limits, SearchRecord, Trial
from segshrink.records.trial import Failure, Job, Probe, Result

OLDEST = {
    "format": 1,
    "objective": "miou",
    "trials": [{"number": 0, "state": "failed"}],
}


def test_a_record_without_newer_fields_is_read():
    record = SearchRecord.parse(OLDEST, where="search.json")
    assert record.trials == (Trial(number=0, state="failed"),)
    assert record.best_trial is None and record.front_trials == ()
    assert record.limits == Limits()


def test_a_record_is_written_as_it_was_given(tmp_path):
    full = OLDEST | {
        "limits": {"latency_ms": 3.0, "size_bytes": None},
        "space": {"student.training.epochs": {"int": [1, 3]}},
        "best": None,
    }
    record = SearchRecord.parse(full, where="search.json")
    record.write(tmp_path / "search.json")
    assert SearchRecord.read(tmp_path / "search.json") == record
    assert record.as_plain() == full


@pytest.mark.parametrize(
    "limits",
    [{"latency_ms": 0}, {"size_bytes": -1}, {"latency": 3}, {"size_bytes": True}],
)
def test_limits_are_above_zero_and_known(limits):
    with pytest.raises(ValidationError):
        Limits.model_validate(limits)


@pytest.mark.parametrize(
    "record",
    [
        Job(of="student", teacher="t", logits="l", probe=True, cores=(0, 1)),
        Probe(file="a.tflite", size_bytes=3, macs=2, parameters=1),
        Result(miou=0.5, val_loss=1.0, file="a.tflite", size_bytes=3, remedy=None),
        Failure(type="OSError", message="full", is_of_system=True),
    ],
)
def test_files_of_a_trial(record, tmp_path):
    record.write(tmp_path / "record.json")
    assert type(record).read(tmp_path / "record.json") == record


def test_a_result_needs_a_mean_iou(tmp_path):
    (tmp_path / "result.json").write_text('{"val_loss": 1.0}')
    with pytest.raises(RunFolderError, match="result.json: .*miou"):
        Result.read(tmp_path / "result.json")
