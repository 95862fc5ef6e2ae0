"""Bytes and digest of a file."""

import gzip
import hashlib

import pytest

from segshrink.errors import UsageError
from segshrink.measuring import measure_size


def test_size_matches_the_content(tmp_path):
    content = bytes(range(256)) * 40
    (tmp_path / "file").write_bytes(content)
    size = measure_size(tmp_path / "file")
    assert size["size_bytes"] == 10240
    assert size["gzipped_bytes"] == len(gzip.compress(content, 9)) < 1000
    assert size["sha256"] == hashlib.sha256(content).hexdigest()


def test_missing_file_is_told(tmp_path):
    with pytest.raises(UsageError, match="gone: no such file to measure"):
        measure_size(tmp_path / "gone")
