"""Outcome of a search: its record, the best recipe, and files of the best trials."""

import warnings
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import keras
import optuna

from segshrink._version import __version__
from segshrink.data import Dataset
from segshrink.records import this_machine
from segshrink.records.measurement import DataRecord
from segshrink.records.search import (
    Limits,
    SearchedRange,
    SearchRecord,
    TeacherFigures,
    Trial,
)
from segshrink.search.artifacts import keep_artifacts, write_best
from segshrink.search.clock import SCHEDULING_SECONDS, SECONDS, seconds_of_all
from segshrink.search.kept_trials import ended_trials
from segshrink.search.paths import RECORD
from segshrink.search.ranking import best_of, pareto_front, refuted
from segshrink.search.space import SearchRecipe
from segshrink.search.trial import measured_format

_LEAST_FOR_IMPORTANCE = 4


def write_outcome(
    search_recipe: SearchRecipe,
    study: optuna.Study,
    dataset: Dataset,
    out: Path,
    *,
    workers: int,
) -> Path:
    """Write `search.json`, `best.yaml` and `artifacts/`, from the study alone.

    Files and recipes of the Pareto front, and of the best trial, are named after their
    trials; those of trials that left the front are removed.

    Returns:
        The record's path.
    """
    trials = ended_trials(study, search_recipe)
    over = refuted(study, search_recipe)
    best = best_of(study, search_recipe)
    front = pareto_front(trial for trial in trials if trial.number not in over)
    shown = [trial for trial in trials if trial.number in {*front, best}]
    files = keep_artifacts(shown, search_recipe, out)
    for trial in shown:
        if trial.number == best:
            write_best(trial, search_recipe, out)
    kept = tuple(
        trial.model_copy(
            update={
                "file": files.get(trial.number),
                "is_feasible": trial.is_feasible and trial.number not in over,
            }
        )
        for trial in trials
    )
    record = _record(search_recipe, study, dataset, kept)
    path = out / RECORD
    record.model_copy(
        update={"workers": workers, "best": best, "front": tuple(front)}
    ).write(path)
    return path


def _record(
    search_recipe: SearchRecipe,
    study: optuna.Study,
    dataset: Dataset,
    trials: tuple[Trial, ...],
) -> SearchRecord:
    """All of the record but the workers and what is best."""
    search, recipe = search_recipe.search, search_recipe.recipe
    split = dataset.split.as_record()
    runtime, runtime_version = _runtime(search_recipe)
    teacher = study.user_attrs.get("teacher")
    return SearchRecord(
        format=1,
        of=search.of,
        objective=search.objective,
        # Both fields are given, so that both are written.
        limits=Limits(**search.limits.model_dump()),
        sampler=search.sampler,
        scheduler=search.scheduler,
        trials_wanted=search.trials,
        seed=recipe.seed,
        threads=recipe.measuring.threads,
        data=DataRecord.parse({"name": dataset.name, "split": split}, where="data"),
        machine=this_machine(),
        segshrink=__version__,
        backend=keras.backend.backend(),
        runtime=runtime,
        runtime_version=runtime_version,
        seconds=seconds_of_all(study, SECONDS),
        scheduling_seconds=seconds_of_all(study, SCHEDULING_SECONDS),
        trial_seconds=round(sum(trial.seconds for trial in trials), 2),
        space={
            place: SearchedRange.parse(dimension.as_record(), where=place)
            for place, dimension in search_recipe.space.items()
        },
        teacher=TeacherFigures.parse(teacher, where="teacher") if teacher else None,
        trials=trials,
        importance=_importance(study, trials, search.objective),
    )


def _runtime(search_recipe: SearchRecipe) -> tuple[str | None, str | None]:
    """Runtime of the files and its version; None in a search of teachers."""
    if search_recipe.search.of == "teacher":
        return None, None
    format, _ = measured_format(search_recipe.recipe.export)
    return format, version(format.runtime_package)


def _importance(
    study: optuna.Study, trials: tuple[Trial, ...], objective: str
) -> dict[str, float]:
    """Share of each field in the variance of the objective, of two of mean IoU."""
    complete = [trial for trial in trials if trial.state == "complete"]
    if len(complete) < _LEAST_FOR_IMPORTANCE:
        return {}
    with warnings.catch_warnings(), suppress(RuntimeError, ValueError):
        # Few trials make the shares uncertain, which the report says.
        warnings.simplefilter("ignore")
        found = optuna.importance.get_param_importances(
            study,
            evaluator=optuna.importance.PedAnovaImportanceEvaluator(),
            target=(lambda trial: trial.values[0]) if objective == "front" else None,
        )
        return {place: round(share, 4) for place, share in found.items()}
    # All trials are alike, or no parameter is in all of them.
    return {}
