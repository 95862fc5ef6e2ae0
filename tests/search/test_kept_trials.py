"""What is known of a trial stands in the study, and comes back as its record."""

import optuna

from segshrink.records.search import Trial
from segshrink.search.kept_trials import ended_trials, keep, trial_record, values_of

from .pretended import RATE, WIDTH, small_search, steady

VALUES = {RATE: 0.01, WIDTH: 16}


def complete_trial(study, search_recipe):
    study.enqueue_trial(VALUES, user_attrs={"is_default": True})
    trial = study.ask()
    for place, dimension in search_recipe.space.items():
        if dimension.float:
            trial.suggest_float(place, *dimension.float, log=dimension.log)
        else:
            trial.suggest_int(place, *dimension.int, step=dimension.step)
    return trial


def test_the_record_of_a_trial_survives_the_study():
    study, search_recipe = optuna.create_study(), small_search()
    trial = complete_trial(study, search_recipe)
    record = Trial(
        number=trial.number, state="complete", is_default=True, values=VALUES,
        miou=0.5, val_loss=1.5, latency_ms=3.0, size_bytes=7, macs=5, parameters=4,
        remedy="bias", epochs=(0.25, 0.5), seconds=2.5, file="trials/000/a.tflite",
        timings_ms=(3.0, 2.0), latency=steady(3.0), reason=None,
    )  # fmt: skip
    keep(trial, record)
    study.tell(trial, 0.5)
    [found] = ended_trials(study, search_recipe)
    assert found == record
    assert values_of(study.trials[0], search_recipe) == VALUES


def test_a_trial_of_an_older_study_is_read():
    study, search_recipe = optuna.create_study(), small_search()
    trial = complete_trial(study, search_recipe)
    attributes = {"miou": 0.5, "seconds": 1.0, "epochs": [0.5], "outcome": "complete"}
    for name, value in attributes.items():
        trial.set_user_attr(name, value)
    trial.set_constraint("size_bytes", 0.5)
    study.tell(trial, 0.5)
    found = trial_record(study.trials[0], search_recipe)
    assert (found.miou, found.epochs, found.timings_ms) == (0.5, (0.5,), ())
    assert not found.is_feasible


def test_only_trials_that_ended_count():
    study, search_recipe = optuna.create_study(), small_search()
    complete_trial(study, search_recipe)
    stopped = complete_trial(study, search_recipe)
    study.tell(stopped, state=optuna.trial.TrialState.FAIL)
    assert ended_trials(study, search_recipe) == []


def test_timings_stay_in_the_study():
    plain = Trial(number=0, state="complete", timings_ms=(1.0,)).as_plain()
    assert plain == {"number": 0, "state": "complete"}
