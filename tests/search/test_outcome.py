"""What a search leaves, of trials that only pretend."""

from types import SimpleNamespace

import pytest

from segshrink.data.splits import Split
from segshrink.recipe import load_recipe
from segshrink.records import read_json
from segshrink.reporting import read_search, write_search_report
from segshrink.search.outcome import write_outcome

from .pretended import RATE, WIDTH, PretendingWorkers, drive, error, small_search

DATASET = SimpleNamespace(
    name="pretended",
    split=Split("seed 0", ("a",), ("b",), ("c",)),
)


def outcome(search_recipe, out, workers=None):
    study, _ = drive(
        search_recipe, out, workers, teacher={"miou": 0.9, "latency_ms": 99.0}
    )
    return read_json(write_outcome(search_recipe, study, DATASET, out, workers=1))


def test_the_record_says_all_that_was_tried(tmp_path):
    fault = error("TrainingError", "The loss became nan.")
    search_recipe = small_search(trials=8, limits={"latency_ms": 40})
    told = outcome(search_recipe, tmp_path, PretendingWorkers(fails={1: fault}))
    assert len(told["trials"]) == 8
    assert told["teacher"] == {"miou": 0.9, "latency_ms": 99.0}
    assert told["space"][WIDTH] == {"int": [8, 64], "step": 8}
    states = {trial["state"] for trial in told["trials"]}
    assert states == {"complete", "failed", "skipped"}
    complete = [t for t in told["trials"] if t["state"] == "complete"]
    feasible = [t for t in complete if t["is_feasible"]]
    best = max(feasible, key=lambda trial: trial["miou"])
    assert told["best"] == best["number"]
    for trial in told["trials"]:
        assert (trial["miou"] is None) == (trial["state"] != "complete")
    assert told["trials"][1]["reason"] == "diverged: The loss became nan."
    # The report reads the record as it is.
    assert read_search(tmp_path).record.best == told["best"]
    assert write_search_report(tmp_path).is_file()


def test_the_keys_of_the_record_stay(tmp_path):
    told = outcome(small_search(trials=2), tmp_path)
    assert set(told) == set(
        "format objective of limits sampler scheduler trials_wanted seed workers "
        "threads data machine segshrink backend runtime runtime_version seconds "
        "scheduling_seconds trial_seconds space teacher trials best front "
        "importance".split()
    )
    assert told["limits"] == {"latency_ms": None, "size_bytes": None}
    split = {"source": "seed 0", "train": ["a"], "val": ["b"], "test": ["c"]}
    assert told["data"] == {"name": "pretended", "split": split}
    for trial in told["trials"]:
        assert set(trial) == set(
            "number state is_default reason values miou val_loss latency_ms "
            "size_bytes macs parameters remedy is_feasible epochs seconds file".split()
        )


def test_the_pareto_front_is_what_no_trial_beats(tmp_path):
    told = outcome(small_search(trials=12), tmp_path)
    complete = [t for t in told["trials"] if t["state"] == "complete"]
    beaten = {
        a["number"]
        for a in complete
        for b in complete
        if (b["miou"] >= a["miou"] and b["latency_ms"] <= a["latency_ms"])
        and (b["miou"], b["latency_ms"]) != (a["miou"], a["latency_ms"])
    }
    front = [t for t in complete if t["number"] not in beaten]
    assert sorted(told["front"]) == sorted(t["number"] for t in front)
    latencies = [told["trials"][number]["latency_ms"] for number in told["front"]]
    assert latencies == sorted(latencies)


def test_recipe_and_files_of_the_front_are_kept_and_those_of_old_fronts_go(tmp_path):
    search_recipe = small_search(trials=4)
    outcome(search_recipe, tmp_path)
    (tmp_path / "artifacts" / "trial-099.tflite").write_text("old")
    told = outcome(small_search(trials=10), tmp_path)
    shown = {*told["front"], told["best"]}
    names = {path.name for path in (tmp_path / "artifacts").iterdir()}
    assert names == {
        f"trial-{number:03d}.{suffix}"
        for number in shown
        for suffix in ("yaml", "tflite")
    }
    for number in shown:
        trial = told["trials"][number]
        recipe = load_recipe(tmp_path / "artifacts" / f"trial-{number:03d}.yaml")
        assert recipe.student.training.learning_rate == trial["values"][RATE]
        assert recipe.student.model.width == trial["values"][WIDTH]
        kept = (tmp_path / trial["file"]).read_text()
        assert float(kept) == trial["latency_ms"] == trial["values"][WIDTH]
    best = load_recipe(tmp_path / "best.yaml")
    assert best.student.model.width == told["trials"][told["best"]]["values"][WIDTH]
    assert (
        best.data == search_recipe.recipe.data
        and best.teacher == search_recipe.recipe.teacher
    )


def test_nothing_found_leaves_a_record_and_no_recipe(tmp_path):
    told = outcome(small_search(trials=2, limits={"latency_ms": 1}), tmp_path)
    assert (told["best"], told["front"]) == (None, [])
    assert not (tmp_path / "best.yaml").exists()
    assert write_search_report(tmp_path).is_file()


def test_what_matters_is_told(tmp_path):
    told = outcome(small_search(trials=30), tmp_path)
    assert set(told["importance"]) == {RATE, WIDTH}
    assert sum(told["importance"].values()) == pytest.approx(1, abs=1e-3)
