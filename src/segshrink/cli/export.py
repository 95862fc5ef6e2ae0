"""segshrink export."""

from pathlib import Path
from typing import Annotated

import typer

from segshrink.cli.options import SplitFile
from segshrink.cli.terminal import TerminalProgress, load_keras, output
from segshrink.errors import UsageError

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
    tiles: Annotated[
        int | None, typer.Option(min=1, help="Calibration tiles for int8 (64).")
    ] = None,
) -> None:
    """Turn a Keras model into a file for a device, and check it against the model.

    Example: segshrink export student/model.keras --out student.onnx
    """
    from segshrink.export.exporting import CALIBRATED, FORMS, SUFFIXES

    formats = {suffix: format for format, suffix in SUFFIXES.items()}
    if out.suffix not in formats:
        raise UsageError(
            f"--out {out}: the name must end in one of {', '.join(formats)}."
        )
    format = formats[out.suffix]
    if quantize not in FORMS[format]:
        known = ", ".join(form for form in FORMS[format] if form)
        raise UsageError(
            f"--quantize {quantize}: {out.suffix} files can be {known} or, without "
            "--quantize, float32."
        )
    if quantize in CALIBRATED and data is None:
        raise UsageError(f"--quantize {quantize} needs --data to calibrate on.")
    if split is not None and data is None:
        raise UsageError("--split has no effect without --data.")
    if tiles is not None and quantize not in CALIBRATED:
        raise UsageError("--tiles has no effect on a file that is not calibrated.")
    wanted = None if size is None else _size(size)
    import numpy as np

    load_keras()
    from segshrink.export import with_input_size
    from segshrink.export.model_form import fixed_input_shape
    from segshrink.files import calibration_tiles, data_facts, export_checked
    from segshrink.measuring import measure_size
    from segshrink.models import load_model

    trained = load_model(model)
    if wanted is not None:
        trained = with_input_size(trained, *wanted)
    height_px, width_px = fixed_input_shape(trained)
    if data is None:
        shape = (_RANDOM_IMAGES, height_px, width_px, 3)
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        facts = None
    else:
        from segshrink.data import open_dataset

        dataset = open_dataset(data, split=split, progress=TerminalProgress())
        side = max(height_px, width_px)
        images = calibration_tiles(dataset, side, tiles or 64)
        images = np.ascontiguousarray(images[:, :height_px, :width_px])
        facts = data_facts(dataset)
    found = export_checked(
        trained, out, format, images=images, quantize=quantize, facts=facts
    )
    output.out(
        f"{out}: {measure_size(out)['size_bytes']:,} bytes, with the model's class for "
        f"{found['agreement']:.2%} of the pixels of "
        f"{'random images' if data is None else 'training tiles'}"
    )


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) * int(width)):
        raise UsageError(
            f"--size {text}: must be HEIGHTxWIDTH in pixels, such as 256x384."
        )
    return int(height), int(width)
