"""Trials whose driver was stopped are proposed once more."""

import time
from collections.abc import Container

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from segshrink.search.kept_trials import resumed_trials
from segshrink.search.sampling import has_all_values
from segshrink.search.space import SearchRecipe

# A trial of another driver that has been silent for so long has died with its driver.
_SILENT_SECONDS = 600.0


def resume_stopped(
    study: optuna.Study,
    search_recipe: SearchRecipe,
    driver: str,
    running: Container[int],
    *,
    is_shared: bool,
) -> None:
    """Propose the trials that were in progress when their driver was stopped again.

    Optuna gives each a new number; its folder stays, see `folder_number`. If the search
    is killed between the two steps, the next call does the second step only.

    Args:
        study: the study.
        search_recipe: the recipe and its section `search`.
        driver: name of the driver that calls.
        running: numbers of its trials in progress.
        is_shared: whether other drivers may have trials in progress.
    """
    trials = study.get_trials(deepcopy=False)
    resumed = resumed_trials(trials)
    for trial in trials:
        if trial.state != TrialState.RUNNING or trial.number in running:
            continue
        is_ours = not is_shared or trial.user_attrs.get("driver") == driver
        if not is_ours and _silent_seconds(trial) < _SILENT_SECONDS:
            continue
        # A trial that was stopped before all values were drawn is drawn again.
        params = trial.params
        if not has_all_values(trial, search_recipe):
            params = trial.system_attrs.get("fixed_params", {})
        if trial.number not in resumed and params:
            kept = {
                key: trial.user_attrs[key]
                for key in ("is_default", "seconds")
                if key in trial.user_attrs
            }
            links = {"continues": folder_number(trial), "continues_trial": trial.number}
            study.enqueue_trial(params, user_attrs=kept | links)
        study.tell(trial.number, state=TrialState.FAIL)


def _silent_seconds(trial: FrozenTrial) -> float:
    last_alive = trial.user_attrs.get("alive")
    if last_alive is None:
        last_alive = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
    return time.time() - float(last_alive)


def folder_number(trial: FrozenTrial | Trial) -> int:
    """Number in the name of a trial's folder: that of the first trial it resumes."""
    return int(trial.user_attrs.get("continues", trial.number))
