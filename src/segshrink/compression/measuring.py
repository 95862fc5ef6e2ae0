"""Measures every exported file of a run in its own runtime."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from segshrink.compression.exporting import ExportedFile, files_to_make
from segshrink.compression.run_folder import Run
from segshrink.data import AnnotatedImage, Classes, Dataset, Part
from segshrink.export import read_metadata, write_metadata
from segshrink.measuring import (
    Subject,
    data_record,
    measure_latency,
    measure_quality,
    measurement_record,
)
from segshrink.progress import Progress
from segshrink.records import atomic_write, write_json
from segshrink.records.measurement import (
    Export,
    Latency,
    Measurement,
    Quality,
    Role,
)
from segshrink.records.metadata import FileMetadata, Reached
from segshrink.records.run import ExportRecord
from segshrink.runtimes import load_artifact


def measure_files(run: Run, dataset: Dataset, progress: Progress) -> None:
    """Measure every exported file in its own runtime; one record each."""
    wanted = files_to_make(run)
    part: Part = getattr(dataset, run.recipe.measuring.part)
    if all((run.measurements / f"{item.name}.json").is_file() for item in wanted):
        # One that was deleted and made again says nothing yet.
        for item in wanted:
            kept = Quality.read(_kept_quality(run, item))
            _carry_quality(run.artifacts / item.file_name, kept)
        return
    quality = {
        item.name: _quality(run, item, part, dataset.classes, progress)
        for item in wanted
    }
    _write_classes(run.measurements / "classes.json", dataset.classes)
    # Latency last and in one go: files are compared, so they share the same minutes.
    paths = {item.name: run.artifacts / item.file_name for item in wanted}
    latency = measure_latency(
        list(paths.values()),
        threads=run.recipe.measuring.threads,
        rounds=run.recipe.measuring.rounds,
        seed=run.recipe.seed,
        progress=progress,
    )
    for item in wanted:
        record = _record(
            run, dataset, item, latency[paths[item.name]], quality[item.name]
        )
        record.write(run.measurements / f"{item.name}.json")


def _record(
    run: Run,
    dataset: Dataset,
    item: ExportedFile,
    latency: Latency,
    quality: Quality,
) -> Measurement:
    path = run.artifacts / item.file_name
    exported = ExportRecord.read(path.with_name(f"{path.name}.json"))
    subject = Subject(
        name=item.name,
        role=Role(item.role),
        file=f"artifacts/{item.file_name}",
        format=item.format,
        precision=item.precision,
        cost=exported.model,
        export=Export(**{key: getattr(exported, key) for key in Export.model_fields}),
    )
    data = data_record(dataset).model_copy(update={"tile_px": run.recipe.data.tile_px})
    return measurement_record(
        subject,
        load_artifact(path, threads=run.recipe.measuring.threads),
        latency=latency,
        quality=quality,
        data=data,
        seed=run.recipe.seed,
    )


def _quality(
    run: Run, item: ExportedFile, part: Part, classes: Classes, progress: Progress
) -> Quality:
    kept = _kept_quality(run, item)
    if not kept.is_file():
        artifact = load_artifact(run.artifacts / item.file_name)
        draw = sample_writer(
            run.measurements / "samples", part, classes, run.recipe.measuring.samples,
            item.name,
        )  # fmt: skip
        measured = measure_quality(
            artifact, part, classes, progress=progress, on_image=draw
        )
        measured.write(kept)
    quality = Quality.read(kept)
    _carry_quality(run.artifacts / item.file_name, quality)
    return quality


def _kept_quality(run: Run, item: ExportedFile) -> Path:
    return run.measurements / "quality" / f"{item.name}.json"


def _carry_quality(path: Path, quality: Quality) -> None:
    """Write the scores of a file into its metadata, before it is timed as it ships."""
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
    write_json(path, [{"name": name, "color": list(color)} for name, color in pairs])


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
            _write_png(own / "image.png", image.read()[0])
            _write_png(own / "truth.png", classes.colorize(labels))

    index = [
        {"image": part[at].name, "folder": f"{number:02d}"}
        for at, number in chosen.items()
    ]
    write_json(folder / "samples.json", index)
    return on_image


def _write_png(path: Path, pixels: np.ndarray) -> None:
    with atomic_write(path) as partial:
        Image.fromarray(pixels).save(partial)
