"""Measures every exported file of a run in its own runtime."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from segshrink.compression.any_teacher import TeacherArtifact
from segshrink.compression.context import Context
from segshrink.compression.exporting import (
    ExportedFile,
    export_record_path,
    files_to_make,
)
from segshrink.compression.run_folder import Run
from segshrink.data import AnnotatedImage, Classes, Part
from segshrink.data.pictures import as_rgb
from segshrink.export import read_metadata, write_metadata
from segshrink.measuring import (
    Subject,
    data_record,
    measure_color_prior,
    measure_latency,
    measure_quality,
    measurement_record,
)
from segshrink.records import atomic_write, write_json
from segshrink.records.measurement import (
    ClassColor,
    Export,
    Latency,
    Measurement,
    ModelCost,
    Quality,
)
from segshrink.records.metadata import FileMetadata, Reached
from segshrink.records.run import ExportRecord, SampleEntry
from segshrink.runtimes import load_artifact


def measure_files(context: Context) -> None:
    """Measure every exported file in its own runtime; one record each."""
    run, files = context.run, files_to_make(context.run)
    if all(_record_path(run, file).is_file() for file in files):
        # A file that was deleted and exported again carries no scores yet.
        for file in files:
            quality = Quality.read(_quality_path(run, file))
            _carry_quality(run, file, quality)
        return
    qualities = [_quality(context, file) for file in files]
    _measure_prior(context)
    classes = context.dataset.classes
    _write_classes(run.measurements / "classes.json", classes)
    # Latency is measured last and of all files together: they are compared, so they
    # share the same minutes.
    paths = [run.artifacts / file.file_name for file in files]
    settings = context.recipe.measuring
    latencies = measure_latency(
        paths,
        threads=settings.threads,
        rounds=settings.rounds,
        seed=context.recipe.seed,
        progress=context.progress,
    )
    for file, path, quality in zip(files, paths, qualities, strict=True):
        record = _record(context, file, latencies[path], quality)
        record.write(_record_path(run, file))


def _record(
    context: Context, file: ExportedFile, latency: Latency, quality: Quality
) -> Measurement:
    path = context.run.artifacts / file.file_name
    cost, export = _cost_and_export(file, path)
    subject = Subject(
        name=file.name,
        role=file.role,
        file=f"artifacts/{file.file_name}",
        format=file.format,
        precision=file.precision,
        cost=cost,
        export=export,
    )
    data = data_record(context.dataset)
    return measurement_record(
        subject,
        load_artifact(path, threads=context.recipe.measuring.threads),
        latency=latency,
        quality=quality,
        data=data.model_copy(update={"tile_px": context.tile_px}),
        seed=context.recipe.seed,
    )


def _cost_and_export(file: ExportedFile, path: Path) -> tuple[ModelCost, Export]:
    """Cost of a file's model, and how the file differs from it."""
    if file.is_given:
        # Its model is not known, unless the file says its cost.
        return (read_metadata(file.model) or FileMetadata()).model, Export()
    exported = ExportRecord.read(export_record_path(path))
    return exported.model, Export(
        max_logit_error=exported.max_logit_error,
        agreement=exported.agreement,
        drop=exported.drop,
        remedy=exported.remedy,
        float_layers=exported.float_layers,
    )


def _record_path(run: Run, file: ExportedFile) -> Path:
    return run.measurements / f"{file.name}.json"


def _quality(context: Context, file: ExportedFile) -> Quality:
    """Scores of a file on the part to measure, from its record if that is there."""
    run, classes = context.run, context.dataset.classes
    settings = context.recipe.measuring
    path, kept = run.artifacts / file.file_name, _quality_path(run, file)
    if not kept.is_file():
        part: Part = getattr(context.dataset, settings.part)
        samples = run.measurements / "samples"
        on_image = sample_writer(samples, part, classes, settings.samples, file.name)
        # The names of its classes may lie beside a teacher's own file.
        given = _given(context, file) if file.is_given else None
        measured = measure_quality(
            given or load_artifact(path),
            part,
            classes,
            progress=context.progress,
            on_image=on_image,
        )
        measured.write(kept)
    quality = Quality.read(kept)
    _carry_quality(run, file, quality)
    return quality


def _measure_prior(context: Context) -> None:
    """Measure what colour alone tells about the classes of the same images."""
    path = context.run.measurements / "quality" / "color_prior.json"
    if path.is_file():
        return
    dataset = context.dataset
    part: Part = getattr(dataset, context.recipe.measuring.part)
    prior = measure_color_prior(
        dataset.train, part, dataset.classes, progress=context.progress
    )
    prior.write(path)


def _given(context: Context, file: ExportedFile) -> TeacherArtifact:
    return TeacherArtifact(file.model, context.dataset, context.recipe.teacher)


def _quality_path(run: Run, file: ExportedFile) -> Path:
    return run.measurements / "quality" / f"{file.name}.json"


def _carry_quality(run: Run, file: ExportedFile, quality: Quality) -> None:
    """Write the scores of a file into its metadata, before it is timed as it ships."""
    if file.is_given:
        return
    path = run.artifacts / file.file_name
    metadata = read_metadata(path) or FileMetadata()
    reached = Reached(
        part=quality.part,
        images=quality.images,
        mean_iou=quality.mean_iou,
        pixel_accuracy=quality.pixel_accuracy,
    )
    if metadata.quality != reached:
        write_metadata(path, metadata.model_copy(update={"quality": reached}))


def _write_classes(path: Path, classes: Classes) -> None:
    pairs = zip(classes.names, classes.colors, strict=True)
    records = [ClassColor(name=name, color=color) for name, color in pairs]
    write_json(path, [record.as_plain() for record in records])


def sample_writer(
    folder: Path, part: Part, classes: Classes, count: int, name: str
) -> Callable[[int, AnnotatedImage, np.ndarray, np.ndarray], None]:
    """A callback for `measure_quality` that keeps pictures of up to `count` images.

    The images are spread evenly over the part. Beside image and truth each measured
    file leaves its prediction as `NAME.png`, in the colours of the classes.
    """
    count = min(count, len(part))
    chosen = {round(i * (len(part) - 1) / max(1, count - 1)): i for i in range(count)}

    def on_image(
        index: int, image: AnnotatedImage, labels: np.ndarray, predictions: np.ndarray
    ) -> None:
        if index not in chosen:
            return
        own = folder / f"{chosen[index]:02d}"
        _write_png(own / f"{name}.png", classes.colorize(predictions))
        if not (own / "truth.png").is_file():
            _write_png(own / "image.png", as_rgb(image.read()[0]))
            _write_png(own / "truth.png", classes.colorize(labels))

    entries = [
        SampleEntry(image=part[at].name, folder=f"{number:02d}")
        for at, number in chosen.items()
    ]
    write_json(folder / "samples.json", [entry.as_plain() for entry in entries])
    return on_image


def _write_png(path: Path, pixels: np.ndarray) -> None:
    with atomic_write(path) as partial:
        Image.fromarray(pixels).save(partial)
