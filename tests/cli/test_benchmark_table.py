"""What `benchmark` prints of its record."""

import pytest

from segshrink.cli.benchmark_table import benchmark_rows, print_benchmark
from segshrink.records.benchmark import Benchmark, BenchmarkFile
from segshrink.records.measurement import Latency, ModelCost, Size


def _file(name, median_ms, *, macs=None, doubtful=False):
    latency = Latency(
        median_ms=median_ms,
        p25_ms=median_ms - 0.5,
        p75_ms=median_ms + 0.5,
        threads=1,
        spread_doubtful=doubtful,
        macs_per_second=None if macs is None else 1000 * macs / median_ms,
    )
    return BenchmarkFile(
        file=name,
        runtime="litert",
        size=Size(size_bytes=1000, gzipped_bytes=900),
        model=None if macs is None else ModelCost(parameters=10, macs=macs),
        latency=(latency,),
    )


@pytest.fixture
def printed(capsys):
    def of(*files):
        print_benchmark(Benchmark(peak_macs_per_second={"1": 1e9}, files=files), 15)
        return capsys.readouterr().out

    return of


def test_the_ratio_names_the_file_that_it_is_against(printed):
    text = printed(_file("teacher.tflite", 8.0), _file("student.tflite", 2.0))
    assert "4.00×" in text
    assert "1 thread; faster: against teacher.tflite; peak" in text
    # A single file is not compared with itself.
    assert "faster" not in printed(_file("student.tflite", 2.0))


def test_what_is_doubtful_is_explained_where_it_is_printed(printed):
    text = printed(_file("a.tflite", 8.0, doubtful=True), _file("b.tflite", 2.0))
    assert "7.50 - 8.50 (doubtful)" in text
    assert "doubtful: the quartiles lie further apart than a quarter of" in text
    assert "doubtful" not in printed(_file("a.tflite", 8.0))


def test_no_column_holds_only_dashes(printed):
    heads = ("weights", "MACs", "memory", "mIoU", "GMAC/s", "% of peak")
    text = printed(_file("a.tflite", 8.0), _file("b.tflite", 2.0))
    assert not [head for head in heads if f" {head} " in text]
    assert "–" not in text
    known = printed(_file("a.tflite", 8.0, macs=10**6), _file("b.tflite", 2.0))
    assert "weights" in known and "GMAC/s" in known


def test_rows_have_all_figures():
    found = Benchmark(
        peak_macs_per_second={"1": 1e9},
        files=(_file("a.tflite", 8.0, macs=10**6, doubtful=True),),
    )
    (row,) = benchmark_rows(found)
    assert row == {
        "file": "a.tflite",
        "runtime": "litert",
        "threads": 1,
        "size_bytes": 1000,
        "gzipped_bytes": 900,
        "parameters": 10,
        "macs": 10**6,
        "memory_bytes": None,
        "mean_iou": None,
        "median_ms": 8.0,
        "p25_ms": 7.5,
        "p75_ms": 8.5,
        "spread_doubtful": True,
        "macs_per_second": pytest.approx(1.25e8),
    }
