"""The outcome of a search of trials that only pretend."""

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


def test_the_record_holds_every_trial(tmp_path):
    fault = error("TrainingError", "The loss became nan.")
    search_recipe = small_search(trials=8, limits={"latency_ms": 40})
    record = outcome(search_recipe, tmp_path, PretendingWorkers(fails={1: fault}))
    assert len(record["trials"]) == 8
    assert record["teacher"] == {"miou": 0.9, "latency_ms": 99.0}
    assert record["space"][WIDTH] == {"int": [8, 64], "step": 8}
    states = {trial["state"] for trial in record["trials"]}
    assert states == {"complete", "failed", "skipped"}
    complete = [t for t in record["trials"] if t["state"] == "complete"]
    feasible = [t for t in complete if t["is_feasible"]]
    best = max(feasible, key=lambda trial: trial["miou"])
    assert record["best"] == best["number"]
    for trial in record["trials"]:
        assert (trial["miou"] is None) == (trial["state"] != "complete")
    assert record["trials"][1]["reason"] == "diverged: The loss became nan."
    # The report reads the record as it is.
    assert read_search(tmp_path).best == record["best"]
    assert write_search_report(tmp_path).is_file()


def test_the_keys_of_the_record_stay(tmp_path):
    record = outcome(small_search(trials=2), tmp_path)
    assert set(record) == set(
        "format objective of limits sampler scheduler trials_wanted seed workers "
        "threads data machine segshrink backend runtime runtime_version seconds "
        "scheduling_seconds trial_seconds space teacher trials best front "
        "importance".split()
    )
    assert record["limits"] == {"latency_ms": None, "size_bytes": None}
    split = {"source": "seed 0", "train": ["a"], "val": ["b"], "test": ["c"]}
    assert record["data"] == {"name": "pretended", "split": split}
    for trial in record["trials"]:
        assert set(trial) == set(
            "number state is_default reason values miou val_loss latency_ms "
            "size_bytes macs parameters remedy is_feasible epochs seconds file".split()
        )


def test_the_pareto_front_is_what_no_trial_beats(tmp_path):
    record = outcome(small_search(trials=12), tmp_path)
    complete = [t for t in record["trials"] if t["state"] == "complete"]
    beaten = {
        a["number"]
        for a in complete
        for b in complete
        if (b["miou"] >= a["miou"] and b["latency_ms"] <= a["latency_ms"])
        and (b["miou"], b["latency_ms"]) != (a["miou"], a["latency_ms"])
    }
    front = [t for t in complete if t["number"] not in beaten]
    assert sorted(record["front"]) == sorted(t["number"] for t in front)
    latencies = [record["trials"][number]["latency_ms"] for number in record["front"]]
    assert latencies == sorted(latencies)


def test_files_of_the_pareto_front_are_kept_and_those_of_old_fronts_removed(tmp_path):
    search_recipe = small_search(trials=4)
    outcome(search_recipe, tmp_path)
    (tmp_path / "artifacts" / "trial-099.tflite").write_text("old")
    record = outcome(small_search(trials=10), tmp_path)
    shown = {*record["front"], record["best"]}
    names = {path.name for path in (tmp_path / "artifacts").iterdir()}
    assert names == {
        f"trial-{number:03d}.{suffix}"
        for number in shown
        for suffix in ("yaml", "tflite")
    }
    for number in shown:
        trial = record["trials"][number]
        recipe = load_recipe(tmp_path / "artifacts" / f"trial-{number:03d}.yaml")
        assert recipe.student.training.learning_rate == trial["values"][RATE]
        assert recipe.student.model.width == trial["values"][WIDTH]
        kept = (tmp_path / trial["file"]).read_text()
        assert float(kept) == trial["latency_ms"] == trial["values"][WIDTH]
    best = load_recipe(tmp_path / "best.yaml")
    assert best.student.model.width == record["trials"][record["best"]]["values"][WIDTH]
    assert (
        best.data == search_recipe.recipe.data
        and best.teacher == search_recipe.recipe.teacher
    )


def test_nothing_found_leaves_a_record_and_no_recipe(tmp_path):
    record = outcome(small_search(trials=2, limits={"latency_ms": 1}), tmp_path)
    assert (record["best"], record["front"]) == (None, [])
    assert not (tmp_path / "best.yaml").exists()
    assert write_search_report(tmp_path).is_file()


def test_importance_names_every_field(tmp_path):
    record = outcome(small_search(trials=30), tmp_path)
    assert set(record["importance"]) == {RATE, WIDTH}
    assert sum(record["importance"].values()) == pytest.approx(1, abs=1e-3)
