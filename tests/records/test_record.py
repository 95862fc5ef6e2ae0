"""The base of all records: what it writes it reads, and faults name the file."""

import json

import pytest
from pydantic import Field, ValidationError

from segshrink.errors import RunFolderError
from segshrink.records.record import Record, SparseRecord


class Inner(SparseRecord):
    number: int
    note: str | None = None


class Outer(Record):
    name: str
    share: float = Field(0.5, ge=0, le=1, alias="part")
    inner: Inner | None = None


def test_a_record_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "folder" / "record.json"
    record = Outer(name="ö", share=0.25, inner=Inner(number=3))
    record.write(path)
    assert Outer.read(path) == record
    assert "ö" in path.read_text(encoding="utf-8")


def test_a_file_holds_aliases_and_defaults():
    assert Outer(name="a").as_plain() == {"name": "a", "part": 0.5, "inner": None}


def test_a_sparse_record_holds_the_fields_that_were_given():
    assert Inner(number=3).as_plain() == {"number": 3}
    assert Inner(number=3, note=None).as_plain() == {"number": 3, "note": None}
    changed = Inner(number=3).model_copy(update={"note": "b"})
    assert changed.as_plain() == {"number": 3, "note": "b"}


def test_the_outer_record_decides_whether_all_fields_are_written():
    class Sparse(SparseRecord):
        outer: Outer

    inner = {"number": 3, "note": None}
    outer = Outer(name="a", inner=Inner(number=3))
    assert outer.as_plain() == {"name": "a", "part": 0.5, "inner": inner}
    plain = Sparse(outer=outer).as_plain()
    assert plain == {"outer": {"name": "a", "inner": {"number": 3}}}


def test_fields_of_newer_versions_are_ignored(tmp_path):
    path = tmp_path / "record.json"
    path.write_text('{"name": "a", "part": 1, "colour": "red"}')
    assert Outer.read(path) == Outer(name="a", share=1.0)


def test_a_record_does_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Outer(name="a").name = "b"


def test_all_faults_are_named_with_file_place_and_value(tmp_path):
    path = tmp_path / "record.json"
    path.write_text('{"part": 2, "inner": {"number": "three"}}')
    with pytest.raises(RunFolderError) as caught:
        Outer.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: not a record of the known shape (")
    for fault in ("name: Field required", "part: ", "(got 2)", "inner.number: "):
        assert fault in message
    assert message.endswith("Delete it and run its stage again.")


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", '"text"'])
def test_something_else_than_a_record_is_refused_by_name(tmp_path, text):
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(RunFolderError, match=r"record\.json: not a re"):
        Outer.read(path)


def test_a_missing_record_is_named(tmp_path):
    with pytest.raises(RunFolderError, match=r"record\.json: this record is missing"):
        Outer.read(tmp_path / "record.json")


def test_a_number_that_json_lacks_leaves_the_earlier_file(tmp_path):
    class Loose(Record):
        loss: float

    path = tmp_path / "record.json"
    Loose(loss=1.5).write(path)
    with pytest.raises(ValueError, match="JSON"):
        Loose(loss=float("nan")).write(path)
    assert json.loads(path.read_text()) == {"loss": 1.5}
