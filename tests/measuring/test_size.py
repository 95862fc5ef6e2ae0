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
    assert size.size_bytes == 10240
    assert size.gzipped_bytes == len(gzip.compress(content, 9)) < 1000
    assert size.sha256 == hashlib.sha256(content).hexdigest()


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="gone: no such file to measure"):
        measure_size(tmp_path / "gone")


def test_weights_of_openvino_count_with_their_graph(tmp_path):
    graph, weights = tmp_path / "m.xml", tmp_path / "m.bin"
    graph.write_bytes(b"<net/>")
    alone = measure_size(graph)
    weights.write_bytes(bytes(range(250)))
    both = measure_size(graph)
    assert both.size_bytes == 6 + 250
    assert both.gzipped_bytes > alone.gzipped_bytes + 200
    content = graph.read_bytes() + weights.read_bytes()
    assert both.sha256 == hashlib.sha256(content).hexdigest()
