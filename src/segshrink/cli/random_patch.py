"""segshrink evaluate --protocol random-patch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from segshrink.cli.data_options import DataOptions
from segshrink.cli.figures import Figures
from segshrink.cli.scores import (
    class_rows,
    print_mean_iou_without,
    print_table,
    require_class,
    scored_file,
    shown,
)
from segshrink.cli.terminal import TerminalProgress, load_keras_for, output

if TYPE_CHECKING:
    from segshrink.records.evaluation import RandomPatchQuality

# Published figures have as many digits.
_DIGITS = 4


def evaluate_random_patch(
    artifact: Path,
    options: DataOptions,
    without: str | None,
    threads: int,
    figures: Figures,
) -> None:
    """Measure a file as the public notebooks do, and report that the split leaks."""
    load_keras_for(artifact)
    from segshrink.measuring.random_patch import measure_random_patch
    from segshrink.records.evaluation import PatchDataRecord, RandomPatchEvaluation
    from segshrink.runtimes import load_artifact

    progress = TerminalProgress()
    opened = load_artifact(artifact, threads=threads)
    patches = options.open_patches(progress)
    classes = patches.images.classes.names
    require_class(without, classes)
    quality = measure_random_patch(opened, patches, progress=progress)
    _print(quality)
    if without is not None:
        print_mean_iou_without(without, quality.confusion, classes, _DIGITS)
    _print_warnings(quality)
    record = RandomPatchEvaluation(
        **dict(scored_file(opened)),
        data=PatchDataRecord(name=patches.name, split=patches.split_record()),
        quality=quality,
    )
    figures.write(record.as_plain(), class_rows(quality))


def _print(quality: RandomPatchQuality) -> None:
    rows = []
    for row in quality.classes:
        counts = (f"{row.pixels:,}", f"{row.predicted_pixels:,}")
        scores = (row.iou, row.precision, row.recall)
        rows.append((row.name, *counts, *(shown(x, _DIGITS) for x in scores)))
    print_table(("class", "pixels", "predicted", "IoU", "precision", "recall"), rows)
    measures = ", ".join(
        f"{name} {shown(value, _DIGITS)}"
        for name, value in (
            ("mean IoU", quality.mean_iou),
            ("pixel accuracy", quality.pixel_accuracy),
            ("soft Jaccard", quality.soft_jaccard),
            ("precision", quality.precision_at_half),
            ("recall", quality.recall_at_half),
        )
    )
    size_px = quality.patch_px
    output.out(
        f"{quality.patches} validation patches of {size_px} x {size_px}: {measures}"
    )


def _print_warnings(quality: RandomPatchQuality) -> None:
    output.out(
        "Precision and recall count scores above 0.5, all classes together; void "
        f"({quality.void_pixels:,} pixels) counts as {quality.void_as}."
    )
    output.out(
        f"LEAK: {quality.neighbours_in_training} of {quality.patches} validation "
        "patches are neighbours of training patches in the same image. These figures "
        "do not carry over to new scenes. They compare only with figures published "
        "under the same protocol, for a file trained on this split; any other file may "
        "have been trained on the validation patches themselves."
    )
