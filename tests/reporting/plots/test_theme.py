import pytest

from segshrink.records.measurement import Role
from segshrink.reporting.plots.theme import LIGHT, marks_of
from segshrink.reporting.run_records import RunRecords, read_run

from ..run_folder import build_run_folder


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RunRecords:
    return read_run(
        build_run_folder(tmp_path_factory.mktemp("plots") / "RUN", samples=0)
    )


def test_roles_have_their_own_colours(records: RunRecords) -> None:
    marks = marks_of(records.measurements, LIGHT)
    assert marks["teacher"].color == LIGHT.families[Role.TEACHER][0]
    assert marks["student-int8"].color == LIGHT.families[Role.STUDENT][0]
    assert len({mark.color for mark in marks.values()}) == len(marks)
    assert marks["teacher"].marker != marks["teacher-onnx"].marker
