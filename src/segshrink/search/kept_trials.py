"""Trials as the study keeps them: a record spread over the attributes of each."""

from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial

from segshrink.recipe import Plain
from segshrink.records.record import Record
from segshrink.records.search import Trial
from segshrink.search.space import SearchRecipe

# Optuna holds these itself, or under another name.
_HELD_BY_OPTUNA = {"number", "state", "values", "is_default", "is_feasible"}
_STAY_IN_STUDY = {
    name for name, field in Trial.model_fields.items() if field.exclude is True
}


def ended(study: optuna.Study) -> list[FrozenTrial]:
    """Trials of the study that ended and count, by number."""
    trials = study.get_trials(deepcopy=False)
    resumed = resumed_trials(trials)
    return [
        trial
        for trial in trials
        if trial.state.is_finished()
        and "outcome" in trial.user_attrs
        and trial.number not in resumed
    ]


def ended_trials(study: optuna.Study, search_recipe: SearchRecipe) -> list[Trial]:
    """Records of the trials that ended and count, by number."""
    return [trial_record(trial, search_recipe) for trial in ended(study)]


def resumed_trials(trials: Sequence[FrozenTrial]) -> set[int]:
    """Numbers of trials that another trial resumes, so that they do not count."""
    return {
        trial.user_attrs["continues_trial"]
        for trial in trials
        if "continues_trial" in trial.user_attrs
    }


def trial_record(trial: FrozenTrial, search_recipe: SearchRecipe) -> Trial:
    """Record of a trial that ended.

    Raises:
        RunFolderError: if its attributes are damaged.
    """
    attributes = trial.user_attrs
    known = {
        name: attributes.get(name)
        for name in Trial.model_fields
        if name in attributes or name not in _STAY_IN_STUDY
    }
    known |= {
        "number": trial.number,
        "state": attributes["outcome"],
        "values": values_of(trial, search_recipe),
        "is_default": bool(attributes.get("is_default")),
        "is_feasible": all(value <= 0 for value in trial.constraints.values()),
        "epochs": attributes.get("epochs", ()),
    }
    return Trial.parse(known, where=f"trial {trial.number} of the study")


def keep(trial: optuna.Trial, record: Trial) -> None:
    """Write a record into the attributes of its trial.

    The outcome comes last, since it makes the trial count.
    """
    for name in Trial.model_fields:
        value = getattr(record, name)
        if name in record.model_fields_set - _HELD_BY_OPTUNA and value is not None:
            plain = value.as_plain() if isinstance(value, Record) else value
            trial.set_user_attr(name, plain)
    trial.set_user_attr("outcome", record.state)


def values_of(trial: FrozenTrial, search_recipe: SearchRecipe) -> dict[str, Plain]:
    """Recipe fields and values of a trial that Optuna holds."""
    space = search_recipe.space
    return {place: space[place].value(label) for place, label in trial.params.items()}
