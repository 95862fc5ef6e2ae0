"""Measures every exported file of a run in its own runtime."""

from collections.abc import Callable, Sequence
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
from segshrink.data import IGNORE_INDEX, AnnotatedImage, Classes, Part
from segshrink.data.pictures import as_rgb
from segshrink.export import read_metadata, write_metadata
from segshrink.formats import InputRange
from segshrink.measuring import (
    Subject,
    data_record,
    measure_color_prior,
    measure_latency,
    measure_quality,
    measurement_record,
)
from segshrink.measuring.quality import as_trained
from segshrink.records import atomic_write, write_json
from segshrink.records.measurement import (
    ClassColor,
    Export,
    Latency,
    Measurement,
    ModelCost,
    Quality,
    Role,
)
from segshrink.records.metadata import FileMetadata, Reached
from segshrink.records.run import ExportRecord, SampleEntry
from segshrink.runtimes import Artifact, Opening, classes_of_image, load_artifact

# Images on which the students are worst, of which pictures are kept.
_MOST_WORST = 3


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
    _write_worst(context, files, qualities)
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
        opening=_opening(context),
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
        _opening(context).load(path, threads=context.recipe.measuring.threads),
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
    kept = _quality_path(run, file)
    if not kept.is_file():
        part: Part = getattr(context.dataset, settings.part)
        samples = run.measurements / "samples"
        on_image = sample_writer(samples, part, classes, settings.samples, file.name)
        measured = measure_quality(
            _opened(context, file),
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


def _opened(context: Context, file: ExportedFile) -> Artifact:
    if file.is_given:
        # The names of its classes may lie beside a teacher's own file.
        return TeacherArtifact(file.model, context.dataset, context.recipe.teacher)
    return load_artifact(context.run.artifacts / file.file_name)


def _opening(context: Context) -> Opening:
    """How files are opened: a given teacher needs what the recipe says of it."""
    given = context.recipe.teacher
    return Opening(
        head=given.head,
        input_range=given.input_range or InputRange.BYTES,
        architecture=Path(given.architecture) if given.architecture else None,
    )


def worst_images(qualities: Sequence[Quality], count: int) -> list[int]:
    """Places of the images that have the lowest mean IoU, the worst first.

    Args:
        qualities: scores of several files on the same images, of which the mean counts.
        count: most images.
    """
    scores: dict[int, float] = {}
    for quality in qualities:
        for image in quality.by_image:
            if image.mean_iou is not None:
                scores[image.index] = scores.get(image.index, 0.0) + image.mean_iou
    return sorted(scores, key=lambda index: (scores[index], index))[:count]


def _write_worst(
    context: Context, files: Sequence[ExportedFile], qualities: Sequence[Quality]
) -> None:
    """Keep pictures of the images on which the students' files are the worst."""
    settings, classes = context.recipe.measuring, context.dataset.classes
    folder = context.run.measurements / "samples"
    if not settings.samples or (folder / "worst.json").is_file():
        return
    pairs = zip(files, qualities, strict=True)
    of_students = [quality for file, quality in pairs if file.role is Role.STUDENT]
    worst = worst_images(of_students, min(_MOST_WORST, settings.samples))
    part: Part = getattr(context.dataset, settings.part)
    names = [f"worst-{number:02d}" for number in range(len(worst))]
    for file in files:
        artifact = _opened(context, file)
        images = as_trained(artifact, part)
        for at, name in zip(worst, names, strict=True):
            pixels, labels = images[at].read()
            predictions = classes_of_image(artifact, pixels)
            _write_sample(
                folder / name, file.name, pixels, labels, predictions, classes
            )
    entries = [
        SampleEntry(image=part[at].name, folder=name)
        for at, name in zip(worst, names, strict=True)
    ]
    write_json(folder / "worst.json", [entry.as_plain() for entry in entries])


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
        own, pixels = folder / f"{chosen[index]:02d}", image.read()[0]
        _write_sample(own, name, pixels, labels, predictions, classes)

    entries = [
        SampleEntry(image=part[at].name, folder=f"{number:02d}")
        for at, number in chosen.items()
    ]
    write_json(folder / "samples.json", [entry.as_plain() for entry in entries])
    return on_image


def _write_sample(
    folder: Path,
    name: str,
    pixels: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    classes: Classes,
) -> None:
    """Write the prediction of a file, and image and truth if it is the first."""
    _write_png(folder / f"{name}.png", classes.colorize(predictions))
    if not (folder / "truth.png").is_file():
        _write_png(folder / "image.png", as_rgb(pixels))
        _write_png(folder / "truth.png", _truth(labels, classes))


def _truth(labels: np.ndarray, classes: Classes) -> np.ndarray:
    """Classes in their colours; void is transparent, since black may be a class."""
    colors = classes.colorize(labels)
    is_void = labels == IGNORE_INDEX
    if not is_void.any():
        return colors
    alpha = np.where(is_void, 0, 255).astype(np.uint8)
    return np.concatenate([colors, alpha[..., None]], axis=-1)


def _write_png(path: Path, pixels: np.ndarray) -> None:
    with atomic_write(path) as partial:
        Image.fromarray(pixels).save(partial)
