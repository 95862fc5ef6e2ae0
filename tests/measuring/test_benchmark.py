"""The record of files side by side, with measures that are known."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from segshrink.measuring import benchmark
from segshrink.measuring.benchmark import benchmark_files
from segshrink.records.benchmark import Benchmark, Memory
from segshrink.records.measurement import Latency, ModelCost, Quality
from segshrink.records.metadata import FileMetadata

METADATA = {"known.tflite": FileMetadata(model=ModelCost(parameters=7, macs=1000))}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Two files of which one says what it costs, and measures without a clock."""

    def load(_, path, **__):
        metadata = METADATA.get(path.name)
        return SimpleNamespace(runtime="litert", runtime_version="2", metadata=metadata)

    def timed(paths, *, threads, **_):
        ms = 2.0 / threads
        latency = Latency(median_ms=ms, p25_ms=ms, p75_ms=ms, threads=threads)
        return dict.fromkeys(map(Path, paths), latency)

    memory = Memory(threads=1, peak_bytes=9, model_bytes=4)
    monkeypatch.setattr(benchmark.Opening, "load", load)
    monkeypatch.setattr(benchmark, "measure_latency", timed)
    monkeypatch.setattr(benchmark, "measure_memory", lambda *_, **__: memory)
    monkeypatch.setattr(benchmark, "measure_peak_macs", lambda threads: 1e9 * threads)
    paths = [tmp_path / "known.tflite", tmp_path / "foreign.tflite"]
    for path in paths:
        path.write_bytes(b"model")
    return paths


def test_the_rate_is_known_where_the_cost_is(files, tmp_path):
    found = benchmark_files(files, threads=[1, 4])
    assert found.peak_macs_per_second == {"1": 1e9, "4": 4e9}
    known, foreign = found.files
    assert known.model.parameters == 7 and foreign.model is None
    # 1000 MACs in 2 ms, and in half a millisecond.
    assert [each.macs_per_second for each in known.latency] == [5e5, 2e6]
    assert [each.threads for each in foreign.latency] == [1, 4]
    assert found.data is known.quality is None
    found.write(tmp_path / "b.json")
    assert Benchmark.read(tmp_path / "b.json") == found
    plain = json.loads((tmp_path / "b.json").read_text())
    assert set(plain) == {"machine", "peak_macs_per_second", "data", "files"}
    assert plain["data"] is None and plain["files"][0]["quality"] is None
    assert plain["files"][0]["memory"] == memory_of(known)
    assert "macs_per_second" not in plain["files"][1]["latency"][0]


def memory_of(file):
    return {
        "threads": 1,
        "peak_bytes": file.memory.peak_bytes,
        "model_bytes": file.memory.model_bytes,
    }


def test_quality_is_measured_on_the_named_part(files, monkeypatch, tiny_dataset):
    parts = []

    def quality(artifact, part, classes, **_):
        parts.append(part.name)
        return Quality(part=part.name, mean_iou=0.5)

    monkeypatch.setattr(benchmark, "measure_quality", quality)
    found = benchmark_files(files, dataset=tiny_dataset, part="val")
    assert parts == ["val", "val"]
    assert [file.quality.mean_iou for file in found.files] == [0.5, 0.5]
    assert found.data.name == tiny_dataset.name
    assert found.data.split.scenes("val") == tiny_dataset.split.val
