"""The teacher of a search: trained or taken from a file, and measured."""

from pathlib import Path

import keras

from segshrink.compression.context import Context
from segshrink.compression.teacher import make_teacher
from segshrink.export import export_model
from segshrink.measuring import measure_latency, measure_quality
from segshrink.models import load_model
from segshrink.records.search import TeacherFigures
from segshrink.runtimes import load_artifact


def measured_teacher(
    context: Context, folder: Path, file: Path | None
) -> TeacherFigures:
    """Train or take the teacher, and measure its file as those of the trials.

    Args:
        context: of the search.
        folder: folder of the teacher, which gets `model.keras` and `measured.json`.
        file: model file of a teacher that is trained already.
    """
    make_teacher(context, folder, file)
    kept = folder / "measured.json"
    if not kept.is_file():
        _measured(context, folder).write(kept)
        keras.utils.clear_session()
    figures = TeacherFigures.read(kept)
    context.progress.say(
        f"teacher: mIoU {figures.miou or 0:.4f}, {figures.latency_ms or 0:.3g} ms, "
        f"{(figures.size_bytes or 0) / 1000:,.0f} kB"
    )
    return figures


def _measured(context: Context, folder: Path) -> TeacherFigures:
    path = folder / "teacher.tflite"
    export_model(load_model(folder / "model.keras"), path, format="litert")
    dataset, settings = context.dataset, context.recipe.measuring
    quality = measure_quality(
        load_artifact(path), dataset.val, dataset.classes, progress=context.progress
    )
    timed = measure_latency(
        [path],
        threads=settings.threads,
        rounds=settings.rounds,
        seed=context.recipe.seed,
        progress=context.progress,
    )
    return TeacherFigures(
        miou=quality.mean_iou,
        latency_ms=timed[path].median_ms,
        size_bytes=path.stat().st_size,
    )
