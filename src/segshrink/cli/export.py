"""segshrink export."""

from pathlib import Path
from typing import Annotated

import typer

from segshrink.cli.options import SplitFile
from segshrink.cli.terminal import TerminalProgress, output
from segshrink.errors import UsageError

_FORMATS = {".tflite": "litert", ".onnx": "onnx"}


def export(
    model: Annotated[Path, typer.Argument(help="Trained .keras model.")],
    out: Annotated[Path, typer.Option("--out", help="FILE.tflite or FILE.onnx.")],
    int8: Annotated[bool, typer.Option("--int8", help="Quantize to int8.")] = False,
    data: Annotated[
        str | None, typer.Option(help="With --int8: data set to calibrate on.")
    ] = None,
    split: SplitFile = None,
    tiles: Annotated[
        int | None, typer.Option(min=1, help="With --int8: calibration tiles (64).")
    ] = None,
) -> None:
    """Turn a Keras model into a file for a device, and check it against the model.

    Example: segshrink export student/model.keras --out student.onnx
    """
    if out.suffix not in _FORMATS:
        raise UsageError(
            f"--out {out}: the name must end in one of {', '.join(_FORMATS)}."
        )
    if int8 != (data is not None) or (not int8 and (split or tiles)):
        raise UsageError(
            "--int8 needs --data to calibrate on; --data, --split and --tiles have no "
            "effect without --int8."
        )
    from segshrink.export import export_model
    from segshrink.models import load_model

    trained = load_model(model)
    calibration = None
    if data is not None:
        from segshrink.data import open_dataset
        from segshrink.files import calibration_tiles

        dataset = open_dataset(data, split=split, progress=TerminalProgress())
        calibration = calibration_tiles(dataset, trained.input_shape[1], tiles or 64)
    export_model(
        trained,
        out,
        format=_FORMATS[out.suffix],  # type: ignore[arg-type]
        quantize="int8" if int8 else None,
        calibration=calibration,
    )
    output.print(f"{out}: {out.stat().st_size:,} bytes")
