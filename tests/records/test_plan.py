import json
from pathlib import Path

import pytest

from segshrink.errors import RunFolderError
from segshrink.records.plan import MeasuredLatency, MeasuredSize, PlanRecord

RESULTS = Path(__file__).parents[2] / "results"
PLANS = sorted(RESULTS.glob("**/plan.json"))


@pytest.mark.parametrize(
    "path", PLANS, ids=[str(path.relative_to(RESULTS).parent) for path in PLANS]
)
def test_plans_of_every_version_come_back_as_they_were_written(path, tmp_path):
    PlanRecord.read(path).write(tmp_path / "plan.json")
    written = json.loads((tmp_path / "plan.json").read_text())
    assert written == json.loads(path.read_text())


def plan(measured):
    return {"parameters_before": 2, "parameters_after": 1, "measured": measured}


COMMON = {"runtime": "litert", "quantize": None, "before": 3, "target": 2, "after": 2}


@pytest.mark.parametrize(
    ("measured", "kind"),
    [
        ({}, type(None)),
        ({**COMMON, "unit": "bytes", "predicted": 2.5}, MeasuredSize),
        ({**COMMON, "unit": "ms", "predicted": 2.5, "threads": 1}, MeasuredLatency),
    ],
)
def test_the_unit_tells_what_was_measured(measured, kind):
    record = PlanRecord.parse(plan(measured), where="plan.json")
    assert isinstance(record.measured, kind)
    assert record.as_plain()["measured"] == measured


def test_a_plan_without_counts_is_refused_by_the_name_of_its_file():
    with pytest.raises(RunFolderError, match=r"plan\.json: .*parameters_before"):
        PlanRecord.parse({"layers": []}, where="plan.json")
