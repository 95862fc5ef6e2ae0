"""Before and after the trials of a search."""

import pytest

from segshrink.errors import RunFolderError, TrainingError
from segshrink.records.search import SearchRecord, Trial
from segshrink.search import search
from segshrink.search.run import _best, _enqueue_default
from segshrink.search.sampling import next_trial, propose
from segshrink.search.study import open_study

from .pretended import RATE, WIDTH, small_search


def record(out, trials, best=None):
    path = out / "search.json"
    SearchRecord(format=1, objective="miou", trials=trials, best=best).write(path)
    return path


def test_the_result_is_the_best_trial(tmp_path):
    trials = (
        Trial(number=0, state="failed", reason="diverged"),
        Trial(
            number=1, state="complete", miou=0.5, latency_ms=2.0, size_bytes=9,
            values={RATE: 0.01},
        ),
    )  # fmt: skip
    path = record(tmp_path, trials, best=1)
    result = _best(path, tmp_path)
    assert (result.trial, result.miou, result.latency_ms) == (1, 0.5, 2.0)
    assert (result.size_bytes, result.values) == (9, {RATE: 0.01})
    assert result.recipe == tmp_path / "best.yaml" and result.record == path


def test_without_a_best_trial_the_last_reason_is_given(tmp_path):
    trials = (
        Trial(number=0, state="skipped", reason="size 9 bytes, more than 8"),
        Trial(number=1, state="failed", reason="diverged: The loss became nan."),
        Trial(number=2, state="complete", miou=0.5, is_feasible=False),
    )
    with pytest.raises(TrainingError) as caught:
        _best(record(tmp_path, trials), tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}: none of 3 trials came to a result")
    assert "reason of the last: diverged: The loss became nan." in message
    assert message.endswith("or widen the space towards smaller students.")


def test_the_first_trial_tries_the_values_of_the_recipe(tmp_path):
    search_recipe = small_search()
    study = open_study(search_recipe, tmp_path, None)
    _enqueue_default(study, search_recipe)
    trial = next_trial(study, search_recipe)
    training = search_recipe.recipe.student.training
    width = search_recipe.recipe.student.model.width
    assert propose(trial, search_recipe) == {
        RATE: training.learning_rate,
        WIDTH: width,
    }
    assert trial.user_attrs["is_default"]
    # A search that resumes does not try them again.
    _enqueue_default(study, search_recipe)
    assert len(study.trials) == 1


def test_values_outside_the_space_are_not_tried(tmp_path):
    search_recipe = small_search(space={RATE: {"float": [0.5, 0.9]}})
    study = open_study(search_recipe, tmp_path, None)
    _enqueue_default(study, search_recipe)
    assert not study.trials


def test_a_folder_of_a_run_is_refused(tmp_path):
    (tmp_path / "student").mkdir()
    with pytest.raises(RunFolderError, match=r"other files and no recipe\.yaml"):
        search(small_search(), tmp_path)
