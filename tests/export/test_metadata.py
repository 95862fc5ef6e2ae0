"""Metadata in files: of other writers, damaged, and of another format."""

import pytest

from segshrink.errors import ExportError
from segshrink.export import read_metadata, write_metadata
from segshrink.export.metadata import parse_metadata
from segshrink.formats import EXPORTED, listed_suffixes
from segshrink.records.metadata import FileMetadata, TrainingData


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "not JSON",
        b"\xff\xfe",
        "[1, 2]",
        '"text"',
        '{"classes": 5}',
        '{"classes": [{"name": "a"}]}',
        '{"classes": [{"name": "a", "color": [1, 2, 300]}]}',
        '{"model": {"macs": "many"}}',
    ],
)
def test_metadata_that_others_wrote_are_no_metadata(text):
    assert parse_metadata(text) is None


def test_metadata_of_ours_are_read():
    assert parse_metadata("{}") == FileMetadata()
    metadata = parse_metadata('{"data": {"name": "city"}, "new": 1}')
    assert metadata.data == TrainingData(name="city")
    assert metadata.as_plain()["new"] == 1


def test_a_keras_file_carries_none(tmp_path):
    path = tmp_path / "m.keras"
    path.write_bytes(b"model")
    assert read_metadata(path) is None
    known = listed_suffixes(EXPORTED)
    with pytest.raises(ExportError, match=f"go into {known} files, got '.keras'"):
        write_metadata(path, FileMetadata())
