"""The loop of a search, with trials that only pretend."""

import pytest
from optuna.trial import TrialState

from segshrink.errors import RunFolderError, TrainingError
from segshrink.records.trial import Job
from segshrink.search.kept_trials import ended, values_of
from segshrink.search.paths import JOB, trial_folder
from segshrink.search.ranking import best_of

from .pretended import (
    KILLED,
    RATE,
    WIDTH,
    PretendingWorkers,
    Said,
    drive,
    error,
    outcomes,
    small_search,
)


def test_the_best_of_all_trials_is_found(tmp_path):
    search_recipe = small_search()
    watcher = Said()
    study, _ = drive(search_recipe, tmp_path, watcher=watcher)
    trials = ended(study)
    assert [trial.number for trial in trials] == list(range(6))
    assert outcomes(study) == ["complete"] * 6
    mious = [trial.values[0] for trial in trials]
    assert best_of(study, search_recipe) == mious.index(max(mious))
    for trial in trials:
        values = values_of(trial, search_recipe)
        width = values[WIDTH]
        assert trial.values[0] == round(0.5 + width / 640 - abs(values[RATE] - 3e-3), 6)
        assert trial.user_attrs["latency_ms"] == width
        assert trial.user_attrs["size_bytes"] == 1000 * width
        assert len(trial.intermediate_values) == 4
        assert trial.user_attrs["epochs"] == list(trial.intermediate_values.values())
    last = watcher.views[-1]
    assert (last.done, last.wanted, last.running) == (6, 6, ())
    assert last.best.miou == max(mious)


def test_one_driver_and_several_workers_propose_as_many(tmp_path):
    workers = PretendingWorkers(count=3)
    study, _ = drive(small_search(trials=7), tmp_path, workers)
    assert outcomes(study) == ["complete"] * 7
    at_once = most = 0
    for what, _ in workers.log:
        at_once += {"start": 1, "end": -1}.get(what, 0)
        most = max(most, at_once)
    assert most == 3
    jobs = [Job.read(trial_folder(tmp_path, n) / JOB) for n in range(3)]
    assert [job.cores for job in jobs] == [(0,), (1,), (2,)]


def test_a_killed_trial_resumes_once_and_then_counts_as_failed(tmp_path):
    workers = PretendingWorkers(fails={1: KILLED})
    watcher = Said()
    study, _ = drive(small_search(trials=3), tmp_path, workers, watcher)
    assert outcomes(study) == ["complete", "failed", "complete"]
    assert workers.log.count(("start", "001")) == 2
    assert any("SIGKILL, out of memory?" in line for line in watcher.lines)
    reason = ended(study)[1].user_attrs["reason"]
    assert reason.startswith("its process was ended 2 times (SIGKILL")


@pytest.mark.parametrize(
    ("fault", "reason", "state"),
    [
        (
            error("TrainingError", "The loss became nan."),
            "diverged: The loss became nan.",
            TrialState.PRUNED,
        ),
        (
            error("ResourceExhaustedError", "OOM", is_ours=False, is_memory=True),
            "out of memory: OOM",
            TrialState.PRUNED,
        ),
        (
            error("ZeroDivisionError", "oops", is_ours=False),
            "crashed (ZeroDivisionError: oops), see trials/001/output.log",
            TrialState.PRUNED,
        ),
        (error("ExportError", "It loses 3 points."), "It loses", TrialState.PRUNED),
    ],
)
def test_a_trial_that_fails_is_recorded_with_its_reason(tmp_path, fault, reason, state):
    study, _ = drive(
        small_search(trials=3), tmp_path, PretendingWorkers(fails={1: fault})
    )
    assert outcomes(study) == ["complete", "failed", "complete"]
    failed = ended(study)[1]
    assert failed.user_attrs["reason"].startswith(reason)
    assert failed.state == state


def test_values_that_only_clash_together_end_their_trial_with_the_reason(tmp_path):
    weights = ("cross_entropy", "dice", "focal")
    space = {f"student.training.loss.{x}": {"choice": [0, 1]} for x in weights}
    search_recipe = small_search(trials=30, sampler="random", space=space)
    workers = PretendingWorkers()
    study, _ = drive(search_recipe, tmp_path, workers)
    trials = ended(study)
    clashing = [t for t in trials if not any(values_of(t, search_recipe).values())]
    assert 0 < len(clashing) < 30 == len(trials)
    failed = [t for t in trials if t.user_attrs["outcome"] == "failed"]
    assert failed == clashing
    for trial in failed:
        reason = "at least one loss needs a weight above 0"
        assert reason in trial.user_attrs["reason"]
        # Nothing was started, and the sampler learns from it.
        assert ("start", f"{trial.number:03d}") not in workers.log
        assert trial.user_attrs["seconds"] == 0
        assert trial.state == TrialState.PRUNED


def test_a_fault_of_the_folder_ends_the_search(tmp_path):
    full = error("OSError", "No space left on device", is_of_system=True)
    with pytest.raises(RunFolderError, match="trial 1: No space left"):
        drive(small_search(), tmp_path, PretendingWorkers(fails={1: full}))
    # Once the fault is corrected, the trial that met it resumes.
    study, _ = drive(small_search(), tmp_path)
    assert outcomes(study) == ["complete"] * 6
    assert [t.number for t in ended(study)] == [0, 2, 3, 4, 5, 6]


def test_a_search_in_which_all_fail_ends_early(tmp_path):
    fault = error("TrainingError", "The loss became nan.")
    workers = PretendingWorkers(fails=dict.fromkeys(range(9), fault))
    with pytest.raises(
        TrainingError, match="all 3 trials failed, the last one with: div"
    ):
        drive(small_search(), tmp_path, workers)


def test_a_file_over_a_limit_is_not_trained(tmp_path):
    search_recipe = small_search(
        trials=12, limits={"latency_ms": 20, "size_bytes": 40_000}
    )
    study, _ = drive(search_recipe, tmp_path)
    for trial in ended(study):
        width = values_of(trial, search_recipe)[WIDTH]
        if width > 40:
            assert trial.user_attrs["reason"].startswith(f"size {1000 * width:,}")
        elif width > 20:
            assert trial.user_attrs["reason"].startswith(f"latency {width} ms, more")
        if width > 20:
            assert trial.user_attrs["outcome"] == "skipped"
            assert trial.user_attrs["epochs"] == []
            assert trial.state == TrialState.PRUNED
            assert max(trial.constraints.values()) > 0
        else:
            assert trial.user_attrs["outcome"] == "complete"
            assert trial.constraints["latency_ms"] == pytest.approx(width / 20 - 1)
    assert {"skipped", "complete"} == set(outcomes(study))
    best = study.trials[best_of(study, search_recipe)]
    assert values_of(best, search_recipe)[WIDTH] <= 20
    # Optuna has the constraints too.
    assert study.best_trial.number == best.number


def test_no_trial_is_best_if_none_is_within_the_limits(tmp_path):
    search_recipe = small_search(trials=3, limits={"latency_ms": 1})
    study, _ = drive(search_recipe, tmp_path)
    assert outcomes(study) == ["skipped"] * 3
    assert best_of(study, search_recipe) is None


def test_hyperband_stops_worse_trials_early(tmp_path):
    search_recipe = small_search(trials=30, scheduler="hyperband")
    study, _ = drive(search_recipe, tmp_path)
    found = {outcome: outcomes(study).count(outcome) for outcome in outcomes(study)}
    assert found["pruned"] >= 8 and found["complete"] >= 3
    for trial in ended(study):
        if trial.user_attrs["outcome"] == "pruned":
            assert 0 < len(trial.user_attrs["epochs"]) < 4
            assert "after epoch" in trial.user_attrs["reason"]


def test_the_pareto_front_has_no_pruning_but_skips_students_slower_than_the_teacher(
    tmp_path,
):
    search_recipe = small_search(trials=12, objective="front", scheduler=None)
    study, _ = drive(search_recipe, tmp_path, teacher={"latency_ms": 40.0})
    for trial in ended(study):
        width = values_of(trial, search_recipe)[WIDTH]
        assert (trial.user_attrs["outcome"] == "skipped") == (width > 40)
        if width <= 40:
            assert trial.values[1] == width
    assert study.best_trials


def test_no_trial_begins_after_the_minutes(tmp_path):
    study, _ = drive(small_search(minutes=1e-9), tmp_path)
    assert len(ended(study)) <= 1
