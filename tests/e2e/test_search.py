"""Searching as users do: real trainings, killed in the middle, on two and on Ray."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from e2e.command_line import refused, started, succeeded
from segshrink.recipe import load_recipe
from segshrink.records import read_json
from segshrink.runtimes import load_artifact

optuna = pytest.importorskip("optuna")
_PATIENCE_SECONDS = 600
RATE, WIDTH = "student.training.learning_rate", "student.model.width"


def write_recipe(path, scenes, **search):
    training = {"epochs": 3, "tiles_per_epoch": 8, "batch_size": 4}
    recipe = {
        "seed": 5,
        "data": {"source": str(scenes), "tile_px": 64},
        "teacher": {
            "model": {"base_filters": 4, "levels": 1},
            "training": {**training, "epochs": 1},
        },
        "student": {"kind": "compact", "training": training},
        "export": {"calibration_tiles": 8, "onnx": False, "max_drop": 100},
        "measuring": {"rounds": 3},
        "search": {
            "trials": 3,
            "scheduler": "none",
            "space": {
                RATE: {"float": [1e-4, 1e-2], "log": True},
                WIDTH: {"int": [8, 32], "step": 8},
            },
            **search,
        },
    }
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return path


def study_of(out: Path):
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(out / "study.log"))
    )
    return optuna.load_study(study_name="segshrink", storage=storage)


def trials_of(out: Path) -> list[dict]:
    return read_json(out / "search.json")["trials"]


@pytest.fixture(scope="module")
def search(scenes, tmp_path_factory):
    """A search of two local workers: (recipe file, folder, what was printed)."""
    folder = tmp_path_factory.mktemp("suche")
    recipe = write_recipe(folder / "search.yaml", scenes)
    out = folder / "out"
    printed = succeeded(
        "search", scenes, "--recipe", recipe, "--out", out, "--workers", 2
    )
    return recipe, out, printed


def test_a_search_leaves_a_recipe_a_file_and_a_report(search, scenes):
    recipe, out, printed = search
    record = read_json(out / "search.json")
    assert [trial["state"] for trial in record["trials"]] == ["complete"] * 3
    best = max(record["trials"], key=lambda trial: trial["miou"])
    assert record["best"] == best["number"]
    assert f"Recipe: {out / 'best.yaml'}" in printed
    assert f"Report: {out / 'report' / 'index.html'}" in printed
    found = load_recipe(out / "best.yaml")
    assert found.student.training.learning_rate == best["values"][RATE]
    assert found.student.model.width == best["values"][WIDTH]
    assert found.teacher.training.epochs == 1
    # The file is the one that was measured, and its figure is right.
    file = out / best["file"]
    assert file.stat().st_size == best["size_bytes"]
    evaluated = succeeded("evaluate", file, scenes, "--part", "val")
    assert f"{best['miou']:.3f}"[:4] in evaluated
    assert load_artifact(file).input_shape == (64, 64)
    for number in record["front"]:
        assert (out / "artifacts" / f"trial-{number:03d}.yaml").is_file()
    before = {p: p.stat().st_mtime_ns for p in (out / "trials").rglob("*")}
    again = ("search", scenes, "--recipe", recipe, "--out", out, "--workers", 2)
    assert succeeded(*again) == printed
    assert {p: p.stat().st_mtime_ns for p in (out / "trials").rglob("*")} == before


def test_optuna_reads_and_draws_the_study(search):
    from optuna.visualization import matplotlib as draw

    _, out, _ = search
    study = study_of(out)
    best = read_json(out / "search.json")["best"]
    assert study.best_trial.number == best
    for plot in (
        draw.plot_optimization_history,
        draw.plot_parallel_coordinate,
        draw.plot_intermediate_values,
        draw.plot_slice,
        draw.plot_timeline,
    ):
        assert plot(study) is not None


def test_the_dashboard_opens_the_study(search):
    dashboard = pytest.importorskip("optuna_dashboard")
    _, out, _ = search
    backend = optuna.storages.journal.JournalFileBackend(str(out / "study.log"))
    app = dashboard.wsgi(optuna.storages.JournalStorage(backend))
    answers = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/api/studies",
        "wsgi.errors": None,
    }
    body = b"".join(app(environ, lambda status, headers: answers.append(status)))
    assert answers == ["200 OK"]
    assert json.loads(body)["study_summaries"][0]["study_name"] == "segshrink"


def test_workers_and_driver_killed_in_the_middle_lose_nothing(search, scenes, tmp_path):
    recipe, undisturbed, _ = search
    out = tmp_path / "out"
    command = ("search", scenes, "--recipe", recipe, "--out", out, "--workers", 2)
    driver = started(*command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        # One worker, when it has trained an epoch.
        wait_for(driver, lambda: (out / "trials/000/history.csv").is_file())
        victim = read_json(out / "trials" / "000" / "process.json")["process"]
        os.kill(victim, signal.SIGKILL)
        # The driver, when a trial has ended and another has trained an epoch.
        wait_for(driver, lambda: _is_in_the_middle(out))
        driver.kill()
        driver.wait()
    finally:
        driver.kill()
        driver.wait()
    killed = {
        trial.number: (trial.values, trial.params)
        for trial in study_of(out).get_trials(states=[_state("COMPLETE")])
    }
    assert killed
    printed = succeeded(*command)
    assert "best.yaml" in printed
    study = study_of(out)
    assert not study.get_trials(states=[_state("RUNNING")])
    complete = study.get_trials(states=[_state("COMPLETE")])
    assert len(complete) == 3
    for number, found in killed.items():
        assert (study.trials[number].values, study.trials[number].params) == found
    # Each trial that was asked for is there once, with the result that it has when
    # nothing is killed.
    assert_same_results(out, undisturbed)
    assert len(list((out / "trials").iterdir())) == 3
    for trial in trials_of(out):
        assert len(trial["epochs"]) == 3


def _is_in_the_middle(out: Path) -> bool:
    study = study_of(out)
    if not study.get_trials(states=[_state("COMPLETE")]):
        return False
    running = study.get_trials(states=[_state("RUNNING")])
    return any((out / f"trials/{t.number:03d}/history.csv").is_file() for t in running)


def _state(name: str):
    return optuna.trial.TrialState[name]


def assert_same_results(out: Path, other: Path) -> None:
    """What came out of each trial, by its values; times differ each time.

    Not to the last bit: a trial that was killed has once been seen to end with some
    pixels of another class (mean IoU 0.00014 apart), for a reason that is not known.
    """
    ours, theirs = (
        sorted((str(t["values"]), t["size_bytes"], t["miou"]) for t in trials_of(x))
        for x in (out, other)
    )
    assert [x[:2] for x in ours] == [x[:2] for x in theirs]
    assert [x[2] for x in ours] == pytest.approx([x[2] for x in theirs], abs=2e-3)


def wait_for(process: subprocess.Popen, what) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def test_two_ray_workers_get_the_study_of_two_local_ones(search, scenes, tmp_path):
    pytest.importorskip("ray")
    recipe, local, _ = search
    out = tmp_path / "out"
    succeeded(
        "search", scenes, "--recipe", recipe, "--out", out, "--workers", 2,
        "--ray", "local",
    )  # fmt: skip
    assert_same_results(out, local)
    ours, theirs = study_of(out), study_of(local)
    assert [t.params for t in ours.trials] == [t.params for t in theirs.trials]


def test_a_space_with_faults_is_refused_before_anything_is_made(scenes, tmp_path):
    recipe = write_recipe(
        tmp_path / "search.yaml",
        scenes,
        space={
            RATE: {"float": [1e-2, 1e-4]},
            "student.model.with": {"int": [8, 24]},
            "data.tile_px": {"choice": [32, 64]},
        },
    )
    out = tmp_path / "out"
    message = refused("search", scenes, "--recipe", recipe, "--out", out)
    for fault in (RATE, "student.model.with", "data.tile_px"):
        assert fault in message
    assert not out.exists()
    assert "search" in refused("compress", scenes, "--recipe", recipe, "--out", out)
    assert not out.exists()


def test_limits_that_nothing_keeps(scenes, tmp_path):
    from e2e.command_line import typed

    recipe = write_recipe(tmp_path / "search.yaml", scenes, trials=2)
    out = tmp_path / "out"
    finished = typed(
        "search", scenes, "--recipe", recipe, "--out", out, "--size-bytes", 10
    )
    assert finished.exit_code == 1
    assert "none of 2 trials came to a result within the limits" in finished.errors
    assert [trial["state"] for trial in trials_of(out)] == ["skipped"] * 2
