"""Proposals of trials: the sampler of each, and the values that it suggests."""

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from segshrink.recipe import Plain
from segshrink.search.kept_trials import values_of
from segshrink.search.space import Dimension, SearchRecipe, is_active
from segshrink.search.study import experimental

_MOST_RANDOM_TRIALS = 10
_LEAST_RANDOM_TRIALS = 4


def next_trial(study: optuna.Study, search_recipe: SearchRecipe) -> Trial:
    """Ask the study for a trial, with a sampler that has a seed for this trial alone.

    A search that resumes thereby proposes the same trials as one without a stop.
    """
    proposed = [
        trial
        for trial in study.get_trials(deepcopy=False)
        # Trials that resume another do not count, nor do those of which the search was
        # killed before all values were drawn.
        if "continues" not in trial.user_attrs
        and (trial.state == TrialState.RUNNING or has_all_values(trial, search_recipe))
    ]
    study.sampler = _sampler(search_recipe, len(proposed))
    return study.ask()


def _sampler(search_recipe: SearchRecipe, number: int) -> optuna.samplers.BaseSampler:
    # Neighbouring seeds of one generator would give neighbouring searches.
    seed = (search_recipe.recipe.seed * 1_000_003 + number) % 2**32
    if search_recipe.search.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    random_trials = min(
        _MOST_RANDOM_TRIALS, max(_LEAST_RANDOM_TRIALS, search_recipe.search.trials // 4)
    )
    # Parameters that not all trials have are sampled in groups.
    is_conditional = any(dimension.when for dimension in search_recipe.space.values())
    options = {"multivariate": True, "group": True} if is_conditional else {}
    with experimental():
        return optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=random_trials, **options
        )


def propose(trial: Trial, search_recipe: SearchRecipe) -> dict[str, Plain]:
    """Draw the values of a trial, by recipe field."""
    values: dict[str, Plain] = {}
    for place, dimension in search_recipe.space.items():
        if is_active(dimension, values, search_recipe.recipe):
            values[place] = dimension.value(_suggested(trial, place, dimension))
    return values


def _suggested(trial: Trial, place: str, dimension: Dimension) -> Any:
    if dimension.choice is not None:
        return trial.suggest_categorical(place, dimension.labels)
    if dimension.int is not None:
        low, high = dimension.int
        step = dimension.step or 1
        return trial.suggest_int(place, low, high, log=dimension.log, step=step)
    return trial.suggest_float(place, *dimension.range, log=dimension.log)


def labels_of(
    values: Mapping[str, Plain], search_recipe: SearchRecipe
) -> dict[str, Plain]:
    """Values as Optuna stores them, for `enqueue_trial`."""
    space = search_recipe.space
    return {place: space[place].label(value) for place, value in values.items()}


def has_all_values(trial: FrozenTrial, search_recipe: SearchRecipe) -> bool:
    """Whether all values of a trial were drawn; a kill may fall between two."""
    values = values_of(trial, search_recipe)
    return all(
        place in values
        for place, dimension in search_recipe.space.items()
        if is_active(dimension, values, search_recipe.recipe)
    )
