"""Records of measured files: what is written, and what old files lack."""

import pytest

from segshrink.errors import RunFolderError
from segshrink.records.measurement import Latency, Measurement, Role, SplitRecord

OLD = {
    "name": "student-int8-litert",
    "role": "alone",
    "file": "artifacts/student-int8.tflite",
    "format": "litert",
    "precision": "int8",
    "runtime": "litert",
}


def test_an_old_record_without_later_fields_is_read_and_written_as_it_was():
    record = Measurement.parse(OLD, where="old.json")
    assert record.role is Role.NO_TEACHER
    assert record.mean_iou is None and record.export.remedy is None
    assert record.as_plain() == OLD


def test_a_latency_says_that_it_is_doubtful_only_where_it_is(tmp_path):
    steady = Latency(median_ms=2.0, p25_ms=1.5, p75_ms=2.5, threads=1)
    assert steady.spread == 0.5
    steady.write(tmp_path / "latency.json")
    again = Latency.read(tmp_path / "latency.json")
    assert again == steady and again.spread_doubtful is False
    assert "spread_doubtful" not in again.as_plain()


def test_a_role_that_does_not_exist_is_refused():
    with pytest.raises(RunFolderError, match="old.json: .*role: .*teacher"):
        Measurement.parse(OLD | {"role": "boss"}, where="old.json")


def test_a_part_leaks_if_training_saw_one_of_its_scenes():
    split = SplitRecord(train=("a", "b"), val=("c",), test=("b",))
    assert split.leaks_into("test") and not split.leaks_into("val")
    assert SplitRecord(leaking=True).leaks_into("val")
