"""segshrink evaluate --protocol random-patch."""

from pathlib import Path
from typing import Any

from segshrink.cli.data_options import DataOptions
from segshrink.cli.scores import (
    print_mean_iou_without,
    require_class,
    shown,
    write_quality,
)
from segshrink.cli.terminal import TerminalProgress, load_keras, output

# Published figures have as many digits.
_DIGITS = 4


def evaluate_random_patch(
    artifact: Path,
    options: DataOptions,
    without: str | None,
    threads: int,
    json_file: Path | None,
) -> None:
    """Measure a file as the public notebooks do, and report that the split leaks."""
    load_keras()
    from segshrink.measuring.random_patch import measure_random_patch
    from segshrink.runtimes import load_artifact

    progress = TerminalProgress()
    opened = load_artifact(artifact, threads=threads)
    patches = options.open_patches(progress)
    classes = patches.images.classes.names
    require_class(without, classes)
    quality = measure_random_patch(opened, patches, progress=progress)
    _print(quality)
    if without is not None:
        print_mean_iou_without(without, quality["confusion"], classes, _DIGITS)
    _print_warnings(quality)
    if json_file is not None:
        data_record = {"name": patches.name, "split": patches.split_record()}
        write_quality(json_file, opened, data_record, quality)


def _print(quality: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("class", "pixels", "predicted", "IoU", "precision", "recall")
    for row in quality["classes"]:
        counts = (f"{row['pixels']:,}", f"{row['predicted_pixels']:,}")
        scores = (row["iou"], row["precision"], row["recall"])
        table.add_row(row["name"], *counts, *(shown(x, _DIGITS) for x in scores))
    output.print(table)
    measures = ", ".join(
        f"{name} {shown(quality[key], _DIGITS)}"
        for name, key in (
            ("mean IoU", "mean_iou"),
            ("pixel accuracy", "pixel_accuracy"),
            ("soft Jaccard", "soft_jaccard"),
            ("precision", "precision_at_half"),
            ("recall", "recall_at_half"),
        )
    )
    size_px = quality["patch_px"]
    output.out(
        f"{quality['patches']} validation patches of {size_px} x {size_px}: {measures}"
    )


def _print_warnings(quality: dict[str, Any]) -> None:
    output.out(
        "Precision and recall count scores above 0.5, all classes together; void "
        f"({quality['void_pixels']:,} pixels) counts as {quality['void_as']}."
    )
    output.out(
        f"LEAK: {quality['neighbours_in_training']} of {quality['patches']} validation "
        "patches are neighbours of training patches in the same image. These figures "
        "do not carry over to new scenes. They compare only with figures published "
        "under the same protocol, for a file trained on this split; any other file may "
        "have been trained on the validation patches themselves."
    )
