"""segshrink distill."""

import json
from pathlib import Path
from typing import Annotated

import typer

from segshrink.cli.figures import CsvFile, Figures, JsonFile, single_values
from segshrink.cli.options import (
    Architecture,
    Data,
    Devices,
    Head,
    InputRangeName,
    Out,
    RecipeFile,
    ResizeMasks,
    Seed,
    Settings,
    SnapColors,
    SplitFile,
    Unlabelled,
    assemble_recipe,
    device_count,
    with_masks,
)
from segshrink.cli.terminal import TerminalProgress, load_keras, output


def distill(
    data: Data,
    teacher: Annotated[
        list[Path],
        typer.Option(
            "--teacher",
            help="Trained model (.keras, .h5, .tflite, .onnx, .xml, a SavedModel) of "
            "RGB images, or a folder of predictions (.png, .npy, .npz) with the names "
            "of the images. Repeatable: the mean of the probabilities teaches.",
        ),
    ],
    student: Annotated[Path, typer.Option("--student", help="Model to train.")],
    out: Out,
    plan: Annotated[
        Path | None,
        typer.Option(
            "--plan",
            help="Plan of a student pruned from the teacher, for losses of feature "
            "maps; STUDENT's name with .plan.json if it is there.",
        ),
    ] = None,
    recipe: RecipeFile = None,
    split: SplitFile = None,
    snap_colors: SnapColors = False,
    resize_masks: ResizeMasks = False,
    unlabelled: Unlabelled = None,
    settings: Settings = None,
    seed: Seed = None,
    devices: Devices = "1",
    head: Head = None,
    input_range: InputRangeName = None,
    architecture: Architecture = None,
    student_architecture: Annotated[
        Path | None,
        typer.Option(
            "--student-architecture",
            metavar="MODEL.py",
            help="The same for STUDENT; --architecture is for the teacher.",
        ),
    ] = None,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
) -> None:
    """Train a student on labels and on a teacher; OUT gets model.keras.

    Example: segshrink distill data --teacher t.keras --student s.keras --out d
    """
    figures = Figures(json_file, csv_file)
    count = device_count(devices)
    settings = with_masks(settings, snap_colors=snap_colors, resize_masks=resize_masks)
    of_models = {
        "teacher.head": head,
        "teacher.input_range": input_range,
        "teacher.architecture": architecture and str(architecture),
        "student.architecture": student_architecture and str(student_architecture),
    }
    settings += [
        # In quotes, since an output's number is text, too.
        f"{field}={json.dumps(value)}"
        for field, value in of_models.items()
        if value is not None
    ]
    chosen = assemble_recipe(
        data, recipe, settings, split=split, seed=seed, unlabelled=unlabelled
    )
    load_keras()
    from segshrink.compression.pipeline import distill_student

    progress = TerminalProgress()
    record = distill_student(
        chosen, teacher, student, out, plan=plan, progress=progress, devices=count
    )
    output.out(
        f"{out / 'model.keras'}: mean IoU {record.best_val_miou:.3f} on validation "
        f"(epoch {record.best_epoch} of {record.epochs})"
    )
    plain = record.as_plain()
    figures.write(plain, [single_values(plain)])
