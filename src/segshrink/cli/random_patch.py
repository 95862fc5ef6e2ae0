"""segshrink evaluate --protocol random-patch."""

from pathlib import Path
from typing import Any

from segshrink.cli.scores import (
    file_record,
    mean_iou_without,
    require_class,
    shown,
)
from segshrink.cli.terminal import TerminalProgress, load_keras, output
from segshrink.errors import UsageError

# Published figures have as many.
_DIGITS = 4


def evaluate_random_patch(
    artifact: Path,
    data: str,
    *,
    split: Path | None,
    without: str | None,
    threads: int,
    json_file: Path | None,
) -> None:
    """Measure a file as the public notebooks do, and say that it leaks."""
    if split is None:
        raise UsageError(
            "--protocol random-patch needs --split FILE.json, which says which patches "
            'of a grid are on which side: {"patch_size_px": 256, "columns": ["tile", '
            '"image", "row", "column"], "train": [["Tile 1", "image_part_001", 0, 2], '
            '...], "val": [...]}.'
        )
    load_keras()
    from segshrink.data import open_patches
    from segshrink.measuring.random_patch import measure_random_patch
    from segshrink.records import write_json
    from segshrink.runtimes import load_artifact

    progress = TerminalProgress()
    opened = load_artifact(artifact, threads=threads)
    patches = open_patches(data, split, progress=progress)
    require_class(without, patches.images.classes.names)
    quality = measure_random_patch(opened, patches, progress=progress)
    _print(quality, without)
    if json_file is not None:
        record = {
            **file_record(opened),
            "data": {"name": patches.name, "split": patches.split_record()},
            "quality": quality,
        }
        write_json(json_file, record)


def _print(quality: dict[str, Any], without: str | None) -> None:
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
    if without is not None:
        mean = mean_iou_without(quality, without)
        output.out(f"mean IoU without {without}: {shown(mean, _DIGITS)}")
    output.out(
        "Precision and recall are of scores above 0.5, all classes together; void "
        f"({quality['void_pixels']:,} pixels) counts as {quality['void_as']}."
    )
    output.out(
        f"LEAK: {quality['neighbours_in_training']} of {quality['patches']} validation "
        "patches are neighbours of training patches in the same image. These figures "
        "tell nothing of new scenes and compare only with figures published under the "
        "same protocol, for a file trained on this split; any other may have seen the "
        "validation patches themselves."
    )
