"""Which trials of a search are the best."""

import math
import statistics
from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from segshrink.search.space import SearchRecipe
from segshrink.search.study import ended

CONFIRMED = "confirmed_ms"


def is_feasible(trial: FrozenTrial) -> bool:
    """Whether a trial is within all limits that were measured of it."""
    return all(value <= 0 for value in trial.constraints.values())


def confirmations(study: optuna.Study) -> dict[int, float]:
    """Milliseconds of one more timing, of trials that were the best before it."""
    kept = study.user_attrs.get(CONFIRMED, {})
    return {int(number): ms for number, ms in kept.items()}


def refuted(study: optuna.Study, asked: SearchRecipe) -> set[int]:
    """Trials that are over the limit by the median of all timings of their file."""
    limit = asked.search.limits.latency_ms
    if limit is None:
        return set()
    known = confirmations(study)
    return {
        trial.number
        for trial in ended(study)
        if trial.number in known
        and statistics.median([*_timings(trial), known[trial.number]]) > limit
    }


def _timings(trial: FrozenTrial) -> list[float]:
    facts = trial.user_attrs
    return list(facts.get("timings_ms", [facts["latency_ms"]]))


def best_of(study: optuna.Study, asked: SearchRecipe) -> int | None:
    """Number of the best trial within the limits; of a front that of highest mIoU."""
    found = [
        trial
        for trial in ended(study)
        if trial.state == TrialState.COMPLETE
        and is_feasible(trial)
        and trial.number not in refuted(study, asked)
    ]
    if not found:
        return None
    if asked.search.objective == "val_loss":
        return min(found, key=lambda trial: trial.values[0]).number
    # Of equal ones the faster, then the earlier.
    return min(
        found,
        key=lambda t: (-t.values[0], t.user_attrs.get("latency_ms", 0.0), t.number),
    ).number


def front_of(trials: Sequence[FrozenTrial]) -> list[int]:
    """Trials that no other beats in mean IoU and latency, by rising latency."""
    timed = [
        (t.user_attrs["latency_ms"], -t.user_attrs["miou"], t.number)
        for t in trials
        if t.state == TrialState.COMPLETE
        and "latency_ms" in t.user_attrs
        and is_feasible(t)
    ]
    front, highest = [], -math.inf
    for _, loss, number in sorted(timed):
        if -loss > highest:
            highest = -loss
            front.append(number)
    return front
