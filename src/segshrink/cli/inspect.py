"""segshrink inspect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from segshrink.cli.figures import (
    CsvFile,
    Figures,
    JsonFile,
    plan_rows,
    single_values,
)
from segshrink.cli.inspect_figures import (
    artifact_plain,
    dataset_plain,
    model_plain,
    scene_rows,
)
from segshrink.cli.options import (
    Architecture,
    Head,
    LayoutName,
    ResizeMasks,
    SnapColors,
    SplitFile,
    Unlabelled,
    refuse_idle,
)
from segshrink.cli.terminal import TerminalProgress, errors, load_keras, output, say
from segshrink.errors import DatasetError, ModelError, UsageError
from segshrink.formats import Format, remedy_for

if TYPE_CHECKING:
    from segshrink.data import DatasetReport
    from segshrink.data.opening import OpeningOptions
    from segshrink.data.unlabelled_inspection import UnlabelledReport


def inspect(
    path: Annotated[
        str, typer.Argument(help="Data set, 'synthetic', or a model file.")
    ],
    keep: Annotated[
        float | None,
        typer.Option(help="For a .keras model: show what this share would keep."),
    ] = None,
    write: Annotated[
        bool | None,
        typer.Option(
            "--write/--no-write",
            help="Write a starter dataset.yaml where the data set has none; on by "
            "default.",
            show_default=False,
        ),
    ] = None,
    unlabelled: Unlabelled = None,
    split: SplitFile = None,
    layout: LayoutName = None,
    snap_colors: SnapColors = False,
    resize_masks: ResizeMasks = False,
    head: Head = None,
    architecture: Architecture = None,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
) -> None:
    """Show the contents of a data set or a model, and what is wrong with it.

    Example: segshrink inspect path/to/dataset
    """
    figures = Figures(json_file, csv_file)
    say(f"Reading {path}")
    format = Format.of_file(path)
    is_keras = format is Format.KERAS
    if keep is not None and not is_keras:
        raise UsageError(f"--keep is for Keras models, but {path} is not one.")
    if not is_keras:
        refuse_idle("on what is no Keras model", architecture=architecture)
    if not is_keras and format is not Format.SAVED_MODEL:
        refuse_idle("on what is no Keras model and no SavedModel", head=head)
    if format is not None:
        option = "no_write" if write is False else "write"
        refuse_idle(
            "on a model file",
            **{option: write},
            unlabelled=unlabelled,
            split=split,
            layout=layout,
            snap_colors=snap_colors or None,
            resize_masks=resize_masks or None,
        )
    if is_keras:
        _model(Path(path), keep, head, architecture, figures)
    elif format is not None:
        _artifact(Path(path), head, figures)
    elif (remedy := remedy_for(path)) is not None and not Path(path).is_dir():
        raise ModelError(f"{path}: neither a data set nor a model. {remedy}")
    else:
        opening: OpeningOptions = {
            "layout": layout,
            "snap_colors": snap_colors,
            "resize_masks": resize_masks,
        }
        report = _dataset(path, write is not False, split, opening)
        found = None
        if unlabelled and not report.faults:
            found = _unlabelled(path, unlabelled, split, opening)
        figures.write(dataset_plain(report, found), scene_rows(report))
        if report.faults or (found and found.known):
            raise SystemExit(DatasetError.exit_code)


def _model(
    path: Path,
    keep: float | None,
    head: str | None,
    architecture: Path | None,
    figures: Figures,
) -> None:
    load_keras()
    from segshrink.export import with_fixed_size
    from segshrink.measuring import count_macs
    from segshrink.models import head_note, load_model, read_bands
    from segshrink.models.input_range import scales_itself
    from segshrink.pruning import plan_pruning

    model = load_model(path, head, architecture)
    output.out(f"{path}: {model.input_shape} -> {model.output_shape}")
    sized = with_fixed_size(model)
    size, (height_px, width_px) = count_macs(sized), sized.input_shape[1:3]
    of = "" if sized is model else f" of {height_px} x {width_px} pixels"
    output.out(f"{size.parameters:,} parameters, {size.macs:,} MACs per image{of}")
    if (bands := read_bands(path)) is not None:
        output.out(f"images: {bands.shown()}")
    note = head_note(model)
    output.out(f"It gives logits{'' if note is None else ': ' + note}")
    output.out(
        "It scales its images itself."
        if scales_itself(model)
        else "Nothing in it scales its images: unless --input-range says otherwise, "
        "they are grey levels of 0 to 255."
    )
    plan = plan_pruning(sized, keep=1.0 if keep is None else keep)
    output.print(plan)
    figures.write(model_plain(path, model, size, plan), plan_rows(plan))


def _artifact(path: Path, head: str | None, figures: Figures) -> None:
    import yaml

    from segshrink.measuring import measure_size
    from segshrink.runtimes import load_artifact

    artifact = load_artifact(path, head=head)
    size = measure_size(path)
    height_px, width_px = artifact.input_shape
    output.out(f"{path}: opened by {artifact.runtime} {artifact.runtime_version}")
    output.out(
        f"images {height_px} x {width_px} x {artifact.num_bands}, "
        f"{artifact.num_classes} classes"
    )
    output.out(
        f"{size.size_bytes:,} bytes, {size.gzipped_bytes:,} gzipped, "
        f"sha256 {size.sha256}"
    )
    if artifact.metadata is None:
        output.out("It has no metadata about its classes or data.")
    else:
        metadata = artifact.metadata.as_plain()
        output.out(yaml.safe_dump(metadata, sort_keys=False).rstrip())
    plain = artifact_plain(artifact, size)
    figures.write(plain, [single_values(plain)])


def _dataset(
    source: str, write: bool, split: Path | None, opening: OpeningOptions
) -> DatasetReport:
    from segshrink.data import inspect_dataset, starter_yaml
    from segshrink.data.generated import SOURCE_NAME
    from segshrink.data.splits import shortened

    report = inspect_dataset(
        source, split=split, progress=TerminalProgress(), **opening
    )
    output.out(f"{report.name}: layout {report.layout}")
    scenes = Table("scene", "images", "sizes (height x width)")
    for scene in report.scenes:
        sizes = ", ".join(f"{height} x {width}" for height, width in scene.sizes)
        scenes.add_row(scene.name, str(scene.images), sizes)
    output.print(scenes)
    if report.classes is not None:
        shares = Table("class", "pixels")
        for name, share in zip(report.classes.names, report.class_shares, strict=True):
            shares.add_row(name, f"{share:.2%}")
        shares.add_row("(void)", f"{report.void_share:.2%}")
        if report.undeclared_share:
            shares.add_row("(undeclared)", f"{report.undeclared_share:.2%}")
        output.print(shares)
    if report.split_source is not None:
        parts = Table("part", "images", "pixels", "scenes")
        for part in report.parts:
            names = shortened(part.scenes, most=6)
            pixels = f"{part.pixel_share:.0%}"
            parts.add_row(part.name, str(part.images), pixels, names)
        output.print(parts)
        output.out(f"The split comes from: {report.split_source}.")
    for notice in report.notices:
        output.out(f"Note: {notice}")
    # Generated data has no folder. Without codes the file would declare no classes,
    # which is a fault of its own; noise would be declared as classes.
    has_codes = report.code_shares and report.holds_classes
    if write and has_codes and source != SOURCE_NAME:
        _write_starter(Path(source), starter_yaml(report))
    for fault in report.faults:
        errors.print(f"Fault: {fault}")
    return report


def _unlabelled(
    source: str, folders: list[str], split: Path | None, opening: OpeningOptions
) -> UnlabelledReport:
    from segshrink.data import inspect_unlabelled

    report = inspect_unlabelled(
        source, folders, split=split, progress=TerminalProgress(), **opening
    )
    (height, width), (most_height, most_width) = (
        (measure(h for h, _ in report.sizes), measure(w for _, w in report.sizes))
        for measure in (min, max)
    )
    table = Table("without labels", "images", "height", "width")
    heights, widths = f"{height} to {most_height}", f"{width} to {most_width}"
    table.add_row(", ".join(folders), str(report.images), heights, widths)
    output.print(table)
    for notice in report.notices:
        output.out(f"Note: {notice}")
    for message in report.broken:
        output.out(f"Broken, counts nothing: {message}")
    for each in report.known:
        errors.print(
            f"Fault: {each.unlabelled}: shows {each.known} of the {each.part} part, "
            "which models are measured on. Move it out of the unlabelled folders."
        )
    if not report.known:
        output.out("None of them is a copy of a validation or test image.")
    return report


def _write_starter(folder: Path, text: str) -> None:
    from segshrink.records import write_text

    path = folder / "dataset.yaml"
    # A misspelt name is among the faults; a second file would hide its declarations.
    if path.exists() or path.with_suffix(".yml").exists():
        return
    try:
        write_text(path, text)
    except OSError as error:
        output.out(f"No starter dataset.yaml: {error}.")
    else:
        output.out(f"Wrote {path}: edit the names, then train.")
