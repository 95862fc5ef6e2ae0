"""The figures of a run as rows: those of its records, each against its reference."""

import pytest

from segshrink.reporting.figures import result_rows
from segshrink.reporting.run_records import read_run

from .run_folder import FILES


def test_rows_hold_the_measured_numbers(run_folder):
    folder = run_folder()
    rows = {row["name"]: row for row in result_rows(folder)}
    assert list(rows) == [x.name for x in read_run(folder).measurements]
    row = rows["student-int8"]
    assert row["against"] == "teacher"
    assert row["gzipped_bytes"] == 213_400
    assert row["median_ms"] == 14.6
    assert row["times_smaller"] == pytest.approx(7_190_000 / 213_400)
    assert row["times_faster"] == pytest.approx(118.4 / 14.6)
    for name, row in rows.items():
        teacher = FILES["teacher" if FILES[name][1] == "litert" else "teacher-onnx"]
        points = 100 * (FILES[name][8] - teacher[8])
        assert row["miou_points"] == pytest.approx(points, abs=1e-6)
    assert len({tuple(row) for row in rows.values()}) == 1
