"""The script that kills runs, with the command that takes least."""

import random
from dataclasses import replace

import pytest

from kills.chains import make_chains, results_of
from kills.run import kill_runs, killed_run, started, table_of


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("kills")


@pytest.fixture
def only_predict(work, monkeypatch):
    chains = {"predict": make_chains(work)["predict"]}
    monkeypatch.setattr("kills.run.make_chains", lambda work: chains)
    return chains["predict"]


@pytest.mark.e2e
def test_a_prediction_that_is_killed_ends_like_the_undisturbed_one(work, only_predict):
    found = kill_runs(2, work, most=2)
    assert sum(len(x["kills"]) for x in found) == 2
    assert [x["different"] for x in found] == [[]] * len(found)
    assert [x["tracebacks"] for x in found] == [0] * len(found)
    assert "`predict`" in table_of(found)
    # A call that goes on finds that enough kills were sent.
    assert kill_runs(2, work, most=2) == found


@pytest.mark.e2e
def test_other_results_are_seen(work, only_predict):
    log = work / "log"
    killed_run(only_predict, work / "whole", log, 0, random.Random(0), most=0)
    expected = results_of(only_predict, work / "whole")
    mask = next((work / "whole").rglob("0*.png"))
    mask.write_bytes(mask.read_bytes()[:-1])
    assert results_of(only_predict, work / "whole") != expected


def test_a_run_that_fails_is_told(work, only_predict):
    broken = replace(only_predict, command=("predict", "absent.tflite", "photo.jpg"))
    log = work / "broken.log"
    with pytest.raises(SystemExit, match="exit code 2"):
        killed_run(broken, work / "broken", log, 0, random.Random(0), most=0)
    assert started(broken, work / "broken", log).wait() == 2
