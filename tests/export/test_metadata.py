"""Metadata in files: of other writers, damaged, and of another format."""

import json
from pathlib import Path

import pytest

from segshrink.errors import ExportError, SegshrinkWarning
from segshrink.export import read_metadata, write_metadata
from segshrink.export.metadata import parse_metadata
from segshrink.formats import EXPORTED, listed_suffixes
from segshrink.records.metadata import FileMetadata, TrainingData

HERE = Path("own.tflite")
NO_METADATA = {
    "no JSON": "not JSON",
    "no UTF-8": b"\xff\xfe",
    "list": "[1, 2]",
    "text": '"text"',
    "classes": '{"classes": 5}',
    "no colour": '{"classes": [{"name": "a"}]}',
    "colour out of range": '{"classes": [{"name": "a", "color": [1, 2, 300]}]}',
    "negative colour": '{"classes": [{"name": "a", "color": [1, 2, -3]}]}',
    "infinite colour": '{"classes": [{"name": "a", "color": [1, 2, Infinity]}]}',
    "half of a character": '{"classes": [{"name": "\\ud800", "color": [1, 2, 3]}]}',
    "number as a name": '{"classes": [{"name": 5, "color": [1, 2, 3]}]}',
    "many classes": json.dumps({"classes": [{"name": "a", "color": [1, 2, 3]}] * 255}),
    "macs": '{"model": {"macs": "many"}}',
    "negative macs": '{"model": {"macs": -1}}',
    "absurd macs": '{"model": {"macs": 1e30}}',
    "long number": '{"model": {"macs": ' + "9" * 5000 + "}}",
    "unknown infinite": '{"new": 1e999}',
    "unknown long number": '{"new": ' + "9" * 400 + "}",
    "no number": '{"quality": {"mean_iou": NaN}}',
    "deep": '{"new": ' + "[" * 500 + "]" * 500 + "}",
    "deeper": "[" * 100_000,
    "long": '{"new": "' + "a" * (1 << 20) + '"}',
    "no size": '{"input": {"height": 0, "width": 64}}',
    "negative size": '{"input": {"height": -5, "width": 64}}',
    "infinite range": '{"input": {"height": 5, "width": 6, "range": [0, 1e999]}}',
    "bands": '{"input": {"height": 5, "width": 6, "bands": {"use": [0]}}}',
}


@pytest.mark.parametrize("case", NO_METADATA)
def test_metadata_that_do_not_hold_are_told_and_ignored(case):
    with pytest.warns(SegshrinkWarning, match="own.tflite: its metadata are ignored"):
        assert parse_metadata(NO_METADATA[case], HERE) is None


@pytest.mark.parametrize("text", [None, "", b""])
def test_a_file_without_metadata_has_none(text):
    assert parse_metadata(text, HERE) is None


def test_metadata_of_ours_are_read():
    assert parse_metadata("{}", HERE) == FileMetadata()
    metadata = parse_metadata('{"data": {"name": "city"}, "new": 1}', HERE)
    assert metadata.data == TrainingData(name="city")
    assert metadata.as_plain()["new"] == 1


def test_a_keras_file_carries_none(tmp_path):
    path = tmp_path / "m.keras"
    path.write_bytes(b"model")
    assert read_metadata(path) is None
    known = listed_suffixes(EXPORTED)
    with pytest.raises(ExportError, match=f"go into {known} files, got '.keras'"):
        write_metadata(path, FileMetadata())
