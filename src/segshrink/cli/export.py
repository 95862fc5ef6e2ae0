"""segshrink export."""

from pathlib import Path
from typing import Annotated, Any

import typer

from segshrink.cli.options import (
    SplitFile,
    SplitSeed,
    require_protocol,
    require_use_of_split_seed,
)
from segshrink.cli.terminal import TerminalProgress, errors, load_keras, output
from segshrink.errors import UsageError
from segshrink.formats import EXPORTED, Format, Precision

_RANDOM_IMAGES = 4


def export(
    model: Annotated[Path, typer.Argument(help="Trained .keras model.")],
    out: Annotated[
        Path, typer.Option("--out", help="FILE.tflite, FILE.onnx or FILE.xml.")
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
            help="Data set to calibrate and check on; the file carries its classes."
        ),
    ] = None,
    split: SplitFile = None,
    split_seed: SplitSeed = None,
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
) -> None:
    """Turn a Keras model into a file for a device, and check it against the model.

    With --data the check is on labelled tiles of the validation part. An int8 file that
    loses more than --max-drop is made in other ways: other calibration, corrected
    biases, the most sensitive layers in float32, training for int8. If none is within
    the limit, no file is written and the losses are told.

    Example: segshrink export student/model.keras --out student.onnx
    """
    format, precision = _target(out, quantize)
    if precision.is_calibrated and data is None:
        raise UsageError(f"--quantize {quantize} needs --data to calibrate on.")
    if split is not None and data is None:
        raise UsageError("--split has no effect without --data.")
    if protocol is None:
        require_use_of_split_seed(split_seed, data, split)
    _check_protocol(protocol, data, split)
    if tiles is not None and not precision.is_calibrated:
        raise UsageError("--tiles has no effect on a file that is not calibrated.")
    if data is None and max_drop is not None:
        raise UsageError("--max-drop has no effect without --data to measure it on.")
    if qat_epochs is not None and not precision.is_calibrated:
        raise UsageError("--qat-epochs has no effect on a file that is not calibrated.")
    wanted = None if size is None else _size(size)
    load_keras()
    from segshrink.compression.accuracy_control import (
        MAX_DROP,
        QAT_EPOCHS,
        AccuracyControl,
    )
    from segshrink.compression.exporting import CALIBRATION_TILES, export_checked
    from segshrink.compression.metadata import other_split
    from segshrink.export import with_input_size
    from segshrink.measuring import measure_size
    from segshrink.models import load_model
    from segshrink.recipe import TrainingSettings

    trained = load_model(model)
    if wanted is not None:
        trained = with_input_size(trained, *wanted)
    if data is None:
        found = _export_alone(trained, out, format, precision)
    else:
        control = AccuracyControl(
            max_drop=MAX_DROP if max_drop is None else max_drop,
            training=TrainingSettings(),
            epochs=QAT_EPOCHS if qat_epochs is None else qat_epochs,
        )
        progress = TerminalProgress()
        dataset = _open(data, split, split_seed or 0, protocol, progress)
        told = other_split(model, None, dataset)
        if told is not None:
            errors.print(f"Warning: {told}")
        found = export_checked(
            trained,
            out,
            dataset,
            precision=precision,
            tiles=tiles or CALIBRATION_TILES,
            control=control,
            progress=progress,
        ).as_plain()
    output.out(
        f"{out}: {measure_size(out)['size_bytes']:,} bytes, with the model's class for "
        f"{found['agreement']:.2%} of the pixels of "
        f"{'random images' if data is None else 'validation tiles'}"
    )
    if "drop" in found:
        output.out(
            f"mean IoU of these tiles {found['mean_iou']:.3f}, of the model "
            f"{found['model_mean_iou']:.3f}"
        )
    if found.get("remedy"):
        output.out(f"Made with {found['remedy']}.")


def _export_alone(
    model: Any, out: Path, format: Format, precision: Precision
) -> dict[str, Any]:
    """Check on random images: they tell whether the conversion is right, no more."""
    import numpy as np

    from segshrink.compression.metadata import file_metadata
    from segshrink.export import export_model, fixed_input_shape
    from segshrink.measuring import check_export

    height_px, width_px = fixed_input_shape(model)
    shape = (_RANDOM_IMAGES, height_px, width_px, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    metadata = file_metadata(model, precision)
    export_model(model, out, format=format, quantize=precision, metadata=metadata)
    return check_export(model, out, images, quantize=precision).as_plain()


def _target(out: Path, quantize: str | None) -> tuple[Format, Precision]:
    format = Format.of_file(out)
    if format not in EXPORTED:
        suffixes = ", ".join(each.suffix for each in EXPORTED)
        raise UsageError(f"--out {out}: the name must end in one of {suffixes}.")
    if quantize is not None and quantize not in format.precisions[1:]:
        known = ", ".join(format.precisions[1:])
        raise UsageError(
            f"--quantize {quantize}: {out.suffix} files can be {known} or, without "
            "--quantize, float32."
        )
    return format, Precision.of(quantize)


def _check_protocol(protocol: str | None, data: str | None, split: Path | None) -> None:
    if protocol is None:
        return
    require_protocol(protocol)
    if data is None or split is None:
        raise UsageError(
            "--protocol random-patch needs --data, and --split with a list of patches."
        )


def _open(
    data: str,
    split: Path | None,
    seed: int,
    protocol: str | None,
    progress: TerminalProgress,
) -> Any:
    from segshrink.data import open_dataset, open_patch_dataset

    if protocol is None or split is None:
        return open_dataset(data, split=split, seed=seed, progress=progress)
    return open_patch_dataset(data, split, seed=seed, progress=progress)


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) * int(width)):
        raise UsageError(
            f"--size {text}: must be HEIGHTxWIDTH in pixels, such as 256x384."
        )
    return int(height), int(width)
