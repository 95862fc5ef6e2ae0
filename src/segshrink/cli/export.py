"""segshrink export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segshrink.cli.data_options import DataOptions, open_model_and_data
from segshrink.cli.ending import Calibrate, Gives, output_for, settle
from segshrink.cli.figures import CsvFile, Figures, JsonFile, single_values
from segshrink.cli.options import (
    Architecture,
    Head,
    InputRangeName,
    ResizeMasks,
    SnapColors,
    SplitFile,
    SplitSeed,
    refuse_idle,
)
from segshrink.cli.page import can_be, file_for, is_page, page_of_file
from segshrink.cli.scores import warn_of_other_split
from segshrink.cli.terminal import TerminalProgress, load_keras, output
from segshrink.errors import UsageError
from segshrink.formats import (
    EXPORTED,
    PAGE_SUFFIX,
    Format,
    Precision,
    listed_suffixes,
)

if TYPE_CHECKING:
    import keras

    from segshrink.compression.accuracy_control import AccuracyControl
    from segshrink.data import Dataset
    from segshrink.records.measurement import Agreement
    from segshrink.records.run import ExportCheck

_RANDOM_IMAGES = 4


def export(
    model: Annotated[
        Path,
        typer.Argument(help="Trained .keras model; for a page also a .tflite file."),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help=f"File whose name ends in {listed_suffixes(EXPORTED)}, or in "
            f"{PAGE_SUFFIX} for one page that runs the model in a browser.",
        ),
    ],
    quantize: Annotated[
        str | None,
        typer.Option(
            help="float16, dynamic, int8 or full_int8 (with integer input and output, "
            "for microcontrollers). By default the file is float32."
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Size of its images, HEIGHTxWIDTH; by default the model's."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Data set to calibrate and check on, whose classes the file carries; "
            "'run' for that of the model's run."
        ),
    ] = None,
    split: SplitFile = None,
    split_seed: SplitSeed = None,
    snap_colors: SnapColors = False,
    resize_masks: ResizeMasks = False,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="random-patch: for a model trained under that protocol, whose --split "
            "lists patches."
        ),
    ] = None,
    tiles: Annotated[
        int | None, typer.Option(min=1, help="Calibration tiles for int8 (64).")
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(min=0, help="Points of mean IoU that may be lost (1)."),
    ] = None,
    qat_epochs: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Epochs of training for int8, where nothing else helps (4); 0 forgoes "
            "it.",
        ),
    ] = None,
    gives: Gives = None,
    calibrate: Calibrate = False,
    head: Head = None,
    input_range: InputRangeName = None,
    architecture: Architecture = None,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
) -> None:
    """Export a Keras model to a file for a device, and check it against the model.

    With --data the check is on labelled tiles of the validation part. An int8 file that
    loses more than --max-drop is exported again in other ways: other calibration,
    corrected biases, the most sensitive layers in float32, training for int8. If none
    is within the limit, no file is written and the loss of each is reported.

    Example: segshrink export student/model.keras --out student.onnx
    """
    figures = Figures(json_file, csv_file)
    options = DataOptions(
        data, split, split_seed, protocol, snap_colors, resize_masks, [model]
    )
    if Format.of_file(model) is Format.LITERT:
        refuse_idle(
            "on a .tflite file, which is put into a page as it is",
            quantize=quantize,
            size=size,
            data=data,
            tiles=tiles,
            max_drop=max_drop,
            qat_epochs=qat_epochs,
            output=gives,
            calibrate=calibrate or None,
            head=head,
            architecture=architecture,
            **figures.options,
        )
        page_of_file(model, out, input_range)
        return
    format, precision = _target(out, quantize)
    ending = output_for(out, gives, calibrate, precision)
    options.refuse_without_data(max_drop=max_drop, calibrate=calibrate or None)
    _check_calibration(precision, options, tiles=tiles, qat_epochs=qat_epochs)
    size_px = None if size is None else _size(size)
    load_keras()
    trained, dataset = open_model_and_data(
        model, options, head, input_range, architecture
    )
    trained = _of_size(trained, size_px)
    with file_for(out) as file:
        if dataset is None:
            check = _export_alone(trained, model, file, format, precision)
        else:
            warn_of_other_split(model, None, dataset)
            control = _accuracy_control(max_drop, qat_epochs)
            check = _export_on(dataset, trained, file, precision, tiles, control)
        settle(file, ending, dataset, calibrate)
    _print_check(out, check, figures)


def _of_size(model: keras.Model, size_px: tuple[int, int] | None) -> keras.Model:
    """The model for images of this size, or of its own; it must be fixed then."""
    from segshrink.export import fixed_input_shape, with_input_size

    sized = model if size_px is None else with_input_size(model, *size_px)
    fixed_input_shape(sized)
    return sized


def _target(out: Path, quantize: str | None) -> tuple[Format, Precision]:
    """The format that the name of the file asks for, and a precision it can have."""
    format = Format.LITERT if is_page(out) else Format.of_file(out)
    if format not in EXPORTED:
        raise UsageError(
            f"--out {out}: the name must end in one of {listed_suffixes(EXPORTED)}, or "
            f"in {PAGE_SUFFIX} for a page that runs the model in a browser."
        )
    known = [each for each in format.precisions[1:] if can_be(each, out)]
    if quantize is not None and quantize not in known:
        raise UsageError(
            f"--quantize {quantize}: {out.suffix} files can be {', '.join(known)} or, "
            "without --quantize, float32."
        )
    return format, Precision.of(quantize)


def _check_calibration(
    precision: Precision, options: DataOptions, **of_calibration: object
) -> None:
    if not precision.is_calibrated:
        refuse_idle("on a file that is not calibrated", **of_calibration)
    elif not options.is_given:
        raise UsageError(f"--quantize {precision} needs --data to calibrate on.")


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) * int(width)):
        raise UsageError(
            f"--size {text}: must be HEIGHTxWIDTH in pixels, such as 256x384."
        )
    from segshrink.runtimes.artifact import MOST_PIXELS

    if int(height) * int(width) > MOST_PIXELS:
        raise UsageError(
            f"--size {text}: must be at most {MOST_PIXELS:,} pixels, since no larger "
            "images are predicted at once."
        )
    return int(height), int(width)


def _accuracy_control(
    max_drop: float | None, qat_epochs: int | None
) -> AccuracyControl:
    from segshrink.compression.accuracy_control import (
        MAX_DROP,
        QAT_EPOCHS,
        AccuracyControl,
    )
    from segshrink.recipe import TrainingSettings

    return AccuracyControl(
        max_drop=MAX_DROP if max_drop is None else max_drop,
        training=TrainingSettings(),
        epochs=QAT_EPOCHS if qat_epochs is None else qat_epochs,
    )


def _export_on(
    dataset: Dataset,
    model: keras.Model,
    out: Path,
    precision: Precision,
    tiles: int | None,
    control: AccuracyControl,
) -> ExportCheck:
    from segshrink.compression.exporting import CALIBRATION_TILES, export_checked

    return export_checked(
        model,
        out,
        dataset,
        precision=precision,
        tiles=tiles or CALIBRATION_TILES,
        control=control,
        progress=TerminalProgress(),
    )


def _export_alone(
    model: keras.Model,
    trained: Path,
    out: Path,
    format: Format,
    precision: Precision,
) -> Agreement:
    """Export without data, and check on random images before the file is placed."""
    import tempfile

    import numpy as np

    from segshrink.compression.metadata import file_metadata
    from segshrink.export import export_model, fixed_input_shape
    from segshrink.export.placing import place
    from segshrink.measuring import check_export
    from segshrink.models import read_bands

    shape = (_RANDOM_IMAGES, *fixed_input_shape(model), model.inputs[0].shape[3])
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    metadata = file_metadata(model, precision, bands=read_bands(trained))
    with tempfile.TemporaryDirectory(prefix="segshrink-export-") as folder:
        file = Path(folder) / out.name
        export_model(model, file, format=format, quantize=precision, metadata=metadata)
        check = check_export(model, file, images, quantize=precision)
        out.parent.mkdir(parents=True, exist_ok=True)
        place(file, out)
    return check


def _print_check(out: Path, check: Agreement, figures: Figures) -> None:
    from segshrink.measuring import measure_size

    images = "random images" if check.mean_iou is None else "validation tiles"
    size = measure_size(out)
    output.out(
        f"{out}: {size.size_bytes:,} bytes, with the model's class for "
        f"{check.agreement:.2%} of the pixels of {images}"
    )
    if check.mean_iou is not None:
        output.out(
            f"mean IoU of these tiles {check.mean_iou:.3f}, of the model "
            f"{check.model_mean_iou:.3f}"
        )
    remedy = getattr(check, "remedy", None)
    if remedy:
        output.out(f"Exported with {remedy}.")
    plain = {"file": str(out), **size.as_plain(), "images": images, **check.as_plain()}
    figures.write(plain, [single_values(plain)])
