"""Public entry of a search: from a space of recipes to the best of them."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segshrink.compression.context import Context
from segshrink.compression.data import open_recipe_data, refuse_unlabelled
from segshrink.compression.pipeline import require_distillable, require_trainable
from segshrink.compression.run_folder import (
    open_run,
    refuse_known_pictures_of_new,
)
from segshrink.compression.stage import versions
from segshrink.compression.teacher import checked_teacher_file
from segshrink.data import Dataset
from segshrink.errors import MissingExtraError, RunFolderError, TrainingError
from segshrink.progress import Progress, SilentProgress
from segshrink.recipe import Plain
from segshrink.records import exclusive_folder
from segshrink.records.search import SearchRecord
from segshrink.search.paths import BEST, TEACHER
from segshrink.search.processes import LocalWorkers, Workers
from segshrink.search.space import SearchRecipe, own_values
from segshrink.search.teacher import measured_teacher
from segshrink.search.watcher import SilentWatcher, Watcher

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class SearchResult:
    """The best trial of a search.

    Attributes:
        trial: its number, from 0.
        miou: mean IoU on the validation part, in [0, 1]: of the exported file, or in a
            search of teachers of the model.
        latency_ms: of the file; None in a search of teachers.
        size_bytes: of the file; None in a search of teachers.
        values: recipe fields and their best values.
        recipe: file that holds the whole recipe, for `compress`.
        record: file that holds the whole search, for the report.
    """

    trial: int
    miou: float
    latency_ms: float | None
    size_bytes: int | None
    values: Mapping[str, Plain]
    recipe: Path
    record: Path


def search(
    search_recipe: SearchRecipe,
    out: Path | str,
    *,
    workers: int = 1,
    storage: str | None = None,
    ray: str | None = None,
    progress: Progress | None = None,
    watcher: Watcher | None = None,
) -> SearchResult:
    """Try recipes out of a space, and keep the best within the limits.

    A teacher is trained once, or taken from a file. Each trial makes, distils and
    exports a student of it, in a process beside this one, and its file is measured:
    mean IoU on the whole validation images, and latency while no other trial of the
    machine computes. A file that is over a limit before training is not trained. With
    `of: teacher` a trial trains a teacher.

    Optuna proposes the trials, and `out/study.log` or a database stores them. The same
    call resumes a search that was killed at any moment: no finished trial is lost, and
    a trial that was in progress resumes from its last checkpoint.

    Args:
        search_recipe: the recipe and its section `search`.
        out: folder of the search.
        workers: int >= 1, trials at a time.
        storage: URL of a database, through which searches on several hosts with the
            same recipe share one study.
        ray: address of a Ray cluster that runs the trials; see
            `segshrink.prediction.Cluster`. All its machines must see `out` and the data
            under the same paths.
        progress: receives the progress of the work before the trials.
        watcher: shows the trials.

    Returns:
        The best trial.

    Raises:
        MissingExtraError: without Optuna, or without Ray if `ray` is given.
        TrainingError: if no trial came to a result within the limits.
        RunFolderError: if `out` or the storage holds another search.
        SegshrinkError: as for `compress`.
    """
    if importlib.util.find_spec("optuna") is None:
        raise MissingExtraError("Search", "search")
    # Imported here, since these modules import Optuna.
    from segshrink.search.driver import Driver
    from segshrink.search.outcome import write_outcome
    from segshrink.search.study import open_study

    out = Path(out)
    progress, watcher = progress or SilentProgress(), watcher or SilentWatcher()
    recipe = search_recipe.recipe
    if search_recipe.search.of == "teacher":
        refuse_unlabelled(recipe)
    dataset, teacher_file = _checked_data(search_recipe, out, progress)
    open_run(out, recipe, versions(), dataset, of_search=True)
    if (out / "student").exists():
        raise RunFolderError(
            f"{out}: this folder holds a run of compress. Name another folder."
        )
    with exclusive_folder(out, instead="join it from another folder with --storage"):
        study = open_study(search_recipe, out, storage)
        teacher = None
        if search_recipe.search.of == "student":
            folder = out / TEACHER
            context = Context(recipe, dataset, out, progress)
            figures = measured_teacher(context, folder, teacher_file)
            teacher = folder / "model.keras"
            study.set_user_attr("teacher", figures.as_plain())
        _enqueue_default(study, search_recipe)
        crew = _crew(workers, ray)
        is_shared = storage is not None
        driver = Driver(
            search_recipe, study, out, crew, watcher, teacher, is_shared=is_shared
        )
        try:
            driver.run()
        finally:
            crew.close()
            watcher.finish()
            path = write_outcome(search_recipe, study, dataset, out, workers=crew.count)
    return _best(path, out)


def _checked_data(
    search_recipe: SearchRecipe, out: Path, progress: Progress
) -> tuple[Dataset, Path | None]:
    """The data and the teacher's file, if any, after what may be wrong was checked."""
    recipe = search_recipe.recipe
    dataset = open_recipe_data(recipe, progress)
    teacher_file = checked_teacher_file(recipe, dataset)
    require_trainable(recipe, dataset)
    if search_recipe.search.of == "student":
        require_distillable(recipe, dataset, teacher_file)
    refuse_known_pictures_of_new(out, dataset, progress)
    return dataset, teacher_file


def _enqueue_default(study: "optuna.Study", search_recipe: SearchRecipe) -> None:
    """Let the first trial of a new study be the recipe's own values."""
    from segshrink.search.sampling import labels_of

    if study.get_trials(deepcopy=False):
        return
    values = own_values(search_recipe.recipe, search_recipe.space)
    if values is not None:
        labels = labels_of(values, search_recipe)
        study.enqueue_trial(labels, user_attrs={"is_default": True})


def _crew(count: int, ray: str | None) -> Workers:
    if ray is None:
        return LocalWorkers(count)
    from segshrink.search.on_ray import RayWorkers

    return RayWorkers(ray, count)


def _best(path: Path, out: Path) -> SearchResult:
    record = SearchRecord.read(path)
    best = record.best_trial
    if best is None:
        reasons = [trial.reason for trial in record.trials if trial.reason]
        raise TrainingError(
            f"{out}: none of {len(record.trials)} trials came to a result within the "
            f"limits{f'; reason of the last: {reasons[-1]}' if reasons else ''}. Raise "
            "the limits, or widen the space towards smaller students."
        )
    return SearchResult(
        trial=best.number,
        miou=best.miou or 0.0,
        latency_ms=best.latency_ms,
        size_bytes=best.size_bytes,
        values=best.values,
        recipe=out / BEST,
        record=path,
    )
