"""segshrink evaluate."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from segshrink.cli.options import (
    Data,
    SplitFile,
    SplitSeed,
    Threads,
    require_protocol,
    require_use_of_split_seed,
)
from segshrink.cli.random_patch import evaluate_random_patch
from segshrink.cli.scores import (
    file_record,
    mean_iou_without,
    note_other_split,
    require_class,
    shown,
)
from segshrink.cli.terminal import TerminalProgress, load_keras, output
from segshrink.errors import UsageError


def evaluate(
    artifact: Annotated[Path, typer.Argument(help=".keras, .tflite or .onnx file.")],
    data: Data,
    part: Annotated[str | None, typer.Option(help="val or test (test).")] = None,
    split: SplitFile = None,
    split_seed: SplitSeed = None,
    without: Annotated[
        str | None, typer.Option(help="Class to leave out of a second mean IoU.")
    ] = None,
    threads: Threads = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the record here.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for a plot of the confusion, and the worst images."),
    ] = None,
    worst: Annotated[
        int | None, typer.Option(min=1, help="With --out: how many images (8).")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="random-patch: that of published figures, which leaks. Its --split "
            "lists patches."
        ),
    ] = None,
) -> None:
    """Measure a file's quality on whole images that it was not trained on.

    By class, by scene, at the borders of classes, and which class is taken for which.

    Example: segshrink evaluate student.tflite synthetic --part test --out looked-at
    """
    if protocol is not None:
        require_protocol(protocol)
        _refuse_idle(
            **{"part": part, "split-seed": split_seed, "out": out, "worst": worst}
        )
        evaluate_random_patch(
            artifact, data, split=split, without=without, threads=threads,
            json_file=json_file,
        )  # fmt: skip
        return
    if part not in (None, "val", "test"):
        raise UsageError(f"--part must be val or test, got {part}.")
    if worst is not None and out is None:
        raise UsageError("--worst has no effect without --out.")
    require_use_of_split_seed(split_seed, data, split)
    load_keras()
    from segshrink.data import open_dataset
    from segshrink.measuring.evaluation import evaluate_artifact, write_worst
    from segshrink.records import write_json
    from segshrink.runtimes import load_artifact

    progress = TerminalProgress()
    opened = load_artifact(artifact, threads=threads)
    dataset = open_dataset(data, split=split, seed=split_seed or 0, progress=progress)
    note_other_split([opened], dataset)
    require_class(without, dataset.classes.names)
    images = getattr(dataset, part or "test")
    quality = evaluate_artifact(opened, images, dataset.classes, progress=progress)
    _print(quality)
    if without is not None:
        output.out(
            f"mean IoU without {without}: {shown(mean_iou_without(quality, without))}"
        )
    if json_file is not None:
        record = {
            **file_record(opened),
            "data": {"name": dataset.name, "split": dataset.split.as_record()},
            "quality": quality,
        }
        write_json(json_file, record)
    if out is not None:
        _write_confusion(out / "confusion.png", quality, dataset.classes.names)
        write_worst(
            opened, images, dataset.classes, quality, out / "worst",
            count=worst or 8, progress=progress,
        )  # fmt: skip
        output.out(f"Confusion and worst images: {out}")


def _refuse_idle(**options: object) -> None:
    given = [f"--{name}" for name, value in options.items() if value is not None]
    if given:
        raise UsageError(
            f"{' and '.join(given)} {'have' if len(given) > 1 else 'has'} no effect "
            "with --protocol random-patch: it measures the validation patches of its "
            "--split. Leave out what has no effect."
        )


def _print(quality: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("class", "pixels", "IoU", "border IoU", "precision", "recall", "AP")
    borders = quality["boundary_iou"]
    for row, border in zip(quality["classes"], borders["classes"], strict=True):
        measures = ("precision", "recall", "average_precision")
        values = (row["iou"], border, *(row[name] for name in measures))
        table.add_row(row["name"], f"{row['pixels']:,}", *map(shown, values))
    output.print(table)
    scenes = Table("scene", "images", "mean IoU", "pixel accuracy")
    for scene in quality["scenes"]:
        scores = (scene["mean_iou"], scene["pixel_accuracy"])
        scenes.add_row(scene["name"], str(scene["images"]), *map(shown, scores))
    output.print(scenes)
    output.out(
        f"{quality['images']} images of {quality['part']}: "
        f"mean IoU {shown(quality['mean_iou'])}, "
        f"pixel accuracy {shown(quality['pixel_accuracy'])}, "
        f"border IoU {shown(borders['mean'])} (within {borders['share']:.0%} of the "
        "diagonal)"
    )


def _write_confusion(path: Path, quality: dict[str, Any], names: Sequence[str]) -> None:
    from segshrink.records import atomic_write
    from segshrink.reporting.plots import LIGHT, confusion_figure, png_bytes

    figure = confusion_figure(quality["confusion"], names, LIGHT)
    with atomic_write(path) as partial:
        partial.write_bytes(png_bytes(figure))
