"""Best trial and Pareto front of a search."""

import math
import statistics
from collections.abc import Iterable, Mapping

import optuna

from segshrink.records.search import Trial
from segshrink.search.kept_trials import ended_trials
from segshrink.search.space import SearchRecipe

CONFIRMED = "confirmed_ms"


def confirmations(study: optuna.Study) -> dict[int, float]:
    """Milliseconds of one more timing, by number of the trials that got one."""
    kept = study.user_attrs.get(CONFIRMED, {})
    return {int(number): ms for number, ms in kept.items()}


def refuted(study: optuna.Study, search_recipe: SearchRecipe) -> set[int]:
    """Trials that are over the limit by the median of all timings of their file."""
    limit = search_recipe.search.limits.latency_ms
    if limit is None:
        return set()
    confirmed = confirmations(study)
    return {
        trial.number
        for trial in ended_trials(study, search_recipe)
        if trial.number in confirmed and _median_ms(trial, confirmed) > limit
    }


def _median_ms(trial: Trial, confirmed: Mapping[int, float]) -> float:
    # Older studies hold no single timings.
    known = trial.timings_ms or (trial.latency_ms or math.inf,)
    return statistics.median([*known, confirmed[trial.number]])


def best_of(study: optuna.Study, search_recipe: SearchRecipe) -> int | None:
    """Number of the best trial within the limits; of several objectives by mean IoU."""
    over = refuted(study, search_recipe)
    objective = search_recipe.search.objective
    found = [
        trial
        for trial in ended_trials(study, search_recipe)
        if trial.is_feasible
        and trial.number not in over
        and _has_objective(trial, objective)
    ]
    if not found:
        return None
    if objective == "val_loss":
        return min(found, key=lambda trial: trial.val_loss or 0.0).number
    # Among equal ones the faster is better, then the earlier.
    return min(
        found, key=lambda t: (-(t.miou or 0.0), t.latency_ms or 0.0, t.number)
    ).number


def _has_objective(trial: Trial, objective: str) -> bool:
    value = trial.val_loss if objective == "val_loss" else trial.miou
    is_timed = objective != "front" or trial.latency_ms is not None
    return trial.state == "complete" and value is not None and is_timed


def pareto_front(trials: Iterable[Trial]) -> list[int]:
    """Numbers of trials that no other beats in mean IoU and latency, fastest first."""
    timed = [
        (trial.latency_ms, -trial.miou, trial.number)
        for trial in trials
        if trial.state == "complete"
        and trial.latency_ms is not None
        and trial.miou is not None
        and trial.is_feasible
    ]
    front, highest = [], -math.inf
    for _, loss, number in sorted(timed):
        if -loss > highest:
            highest = -loss
            front.append(number)
    return front
