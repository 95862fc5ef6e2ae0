"""segshrink convert."""

from pathlib import Path
from typing import Annotated

import typer

from segshrink.cli.figures import CsvFile, Figures, JsonFile
from segshrink.cli.options import (
    Data,
    LayoutName,
    ResizeMasks,
    SnapColors,
    SplitFile,
    SplitSeed,
    refuse_idle,
)
from segshrink.cli.terminal import TerminalProgress, output, say


def convert(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Folder to write; a new one.")],
    split: SplitFile = None,
    split_seed: SplitSeed = None,
    layout: LayoutName = None,
    snap_colors: SnapColors = False,
    resize_masks: ResizeMasks = False,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
) -> None:
    """Write a data set of any layout as plain folders, to look at what is understood.

    SCENE/images, SCENE/masks (PNG with the colours of the classes) and a dataset.yaml
    with classes and split.

    Example: segshrink convert path/to/coco --out plain
    """
    figures = Figures(json_file, csv_file)
    say(f"Reading {data}")
    from segshrink.data import convert_dataset

    if split is not None:
        refuse_idle("with --split", split_seed=split_seed)
    dataset = convert_dataset(
        data,
        out,
        split=split,
        seed=split_seed or 0,
        progress=TerminalProgress(),
        layout=layout,
        snap_colors=snap_colors,
        resize_masks=resize_masks,
    )
    for notice in dataset.notices:
        output.out(f"Note: {notice}")
    counts = ", ".join(f"{name} {len(part)}" for name, part in dataset.parts.items())
    output.out(f"Wrote {out}: {dataset.classes.num_classes} classes, images {counts}.")
    output.out(f"Try: segshrink inspect {out}")
    parts = {
        name: {"images": len(part), "scenes": list(part.scenes)}
        for name, part in dataset.parts.items()
    }
    plain = {
        "out": str(out),
        "name": dataset.name,
        "classes": list(dataset.classes.names),
        "parts": parts,
        "notices": list(dataset.notices),
    }
    figures.write(
        plain,
        [
            {"part": name, "images": len(part), "scenes": len(part.scenes)}
            for name, part in dataset.parts.items()
        ],
    )
