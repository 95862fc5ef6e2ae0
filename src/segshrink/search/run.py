"""search(): from a space of recipes to the best of them, and its file."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from segshrink.compression.context import Context
from segshrink.compression.data import open_recipe_data
from segshrink.compression.pipeline import require_trainable
from segshrink.compression.run_folder import open_run
from segshrink.compression.stage import versions
from segshrink.compression.teacher import checked_teacher_file, make_teacher
from segshrink.data import Dataset
from segshrink.errors import MissingExtraError, RunFolderError, TrainingError
from segshrink.export import export_model
from segshrink.measuring import measure_latency, measure_quality
from segshrink.models import load_model
from segshrink.progress import Progress, SilentProgress
from segshrink.records import exclusive_folder, read_json, write_json
from segshrink.runtimes import load_artifact
from segshrink.search.files import TEACHER
from segshrink.search.processes import LocalWorkers, Workers
from segshrink.search.space import SearchRecipe, own_values
from segshrink.search.view import SilentWatcher, Watcher


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        trial: number of the best trial, from 0.
        miou: mean IoU on the validation part, in [0, 1]: of the exported file, or in a
            search of teachers of the model.
        latency_ms: of the file; None in a search of teachers.
        size_bytes: of the file; None in a search of teachers.
        values: recipe fields and the values that were found for them.
        recipe: file that holds the whole recipe, for `compress`.
        record: file that holds the whole search, for the report.
    """

    trial: int
    miou: float
    latency_ms: float | None
    size_bytes: int | None
    values: dict[str, Any]
    recipe: Path
    record: Path


def search(
    asked: SearchRecipe,
    out: Path | str,
    *,
    workers: int = 1,
    storage: str | None = None,
    ray: str | None = None,
    progress: Progress | None = None,
    watcher: Watcher | None = None,
) -> Found:
    """Try recipes out of a space, and keep the best within the limits.

    A teacher is trained once, or taken from a file; each trial makes, distils and
    exports a student of it, in a process of its own, and its file is measured: mean IoU
    on the whole validation images, latency while no other trial of the machine
    computes. A file that is over a limit before training is not trained. With
    `of: teacher` a trial is the training of a teacher.

    Trials are proposed by Optuna and kept in `out/study.log`, or in a database. Of a
    search that was killed at any moment the same call goes on: no finished trial is
    lost, and one that was in work goes on from its last checkpoint.

    Args:
        asked: the recipe and what is searched of it.
        out: folder of the search.
        workers: int >= 1, trials at a time.
        storage: URL of a database, through which searches on several hosts with the
            same recipe share one study.
        ray: address of a Ray cluster that runs the trials; see
            `segshrink.prediction.Cluster`. All its machines must see `out` and the data
            under the same paths.
        progress: told of the work before the trials.
        watcher: is shown the trials.

    Returns:
        The best trial.

    Raises:
        MissingExtraError: without Optuna, or Ray if it is asked for.
        TrainingError: if no trial came to a result within the limits.
        RunFolderError: if `out` or the storage holds another search.
        SegshrinkError: as for `compress`.
    """
    if importlib.util.find_spec("optuna") is None:
        raise MissingExtraError("Search", "search")
    # With them Optuna is imported.
    from segshrink.search.driver import Driver
    from segshrink.search.outcome import write_outcome
    from segshrink.search.study import labels_of, open_study, space_of

    out = Path(out)
    progress, watcher = progress or SilentProgress(), watcher or SilentWatcher()
    recipe = asked.recipe
    dataset = open_recipe_data(recipe, progress)
    teacher_file = checked_teacher_file(recipe, dataset)
    require_trainable(recipe, dataset)
    open_run(out, recipe, versions(), dataset)
    if (out / "student").exists():
        raise RunFolderError(
            f"{out}: this folder holds a run of compress. Name another folder."
        )
    with exclusive_folder(out, instead="join it from another folder with --storage"):
        study = open_study(asked, out, storage)
        teacher = None
        if asked.search.of == "student":
            measured = _teacher(asked, dataset, out, teacher_file, progress)
            teacher = out / TEACHER / "model.keras"
            study.set_user_attr("teacher", measured)
        if not study.get_trials(deepcopy=False):
            values = own_values(recipe, space_of(asked))
            if values is not None:
                study.enqueue_trial(
                    labels_of(values, asked), user_attrs={"is_default": True}
                )
        crew = _crew(workers, ray)
        driver = Driver(
            asked, study, out, crew, watcher, teacher, is_shared=storage is not None
        )
        try:
            driver.run()
        finally:
            crew.close()
            watcher.finish()
            record = write_outcome(asked, study, dataset, out, workers=crew.count)
    return _found(record, out)


def _crew(count: int, ray: str | None) -> Workers:
    if ray is None:
        return LocalWorkers(count)
    from segshrink.search.on_ray import RayWorkers

    return RayWorkers(ray, count)


def _teacher(
    asked: SearchRecipe,
    dataset: Dataset,
    out: Path,
    file: Path | None,
    progress: Progress,
) -> dict[str, Any]:
    """Train or take the teacher, and measure its file as those of the trials are."""
    recipe = asked.recipe
    folder = out / TEACHER
    make_teacher(Context(recipe, dataset, out, progress), folder, file)
    kept = folder / "measured.json"
    if not kept.is_file():
        path = folder / "teacher.tflite"
        export_model(load_model(folder / "model.keras"), path, format="litert")
        quality = measure_quality(
            load_artifact(path), dataset.val, dataset.classes, progress=progress
        )
        settings = recipe.measuring
        latency = measure_latency(
            [path],
            threads=settings.threads,
            rounds=settings.rounds,
            seed=recipe.seed,
            progress=progress,
        )[path]
        write_json(
            kept,
            {
                "miou": quality["mean_iou"],
                "latency_ms": latency["median_ms"],
                "size_bytes": path.stat().st_size,
            },
        )
        keras.utils.clear_session()
    measured: dict[str, Any] = read_json(kept)
    progress.say(
        f"teacher: mIoU {measured['miou']:.4f}, {measured['latency_ms']:.3g} ms, "
        f"{measured['size_bytes'] / 1000:,.0f} kB"
    )
    return measured


def _found(record: Path, out: Path) -> Found:
    told = read_json(record)
    if told["best"] is None:
        reasons = [t["reason"] for t in told["trials"] if t["reason"]]
        raise TrainingError(
            f"{out}: none of {len(told['trials'])} trials came to a result within the "
            f"limits{f'; the last said: {reasons[-1]}' if reasons else ''}. Raise the "
            "limits, or widen the space towards smaller students."
        )
    best = next(t for t in told["trials"] if t["number"] == told["best"])
    return Found(
        trial=best["number"],
        miou=best["miou"],
        latency_ms=best["latency_ms"],
        size_bytes=best["size_bytes"],
        values=best["values"],
        recipe=out / "best.yaml",
        record=record,
    )
