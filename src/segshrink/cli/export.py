"""segshrink export."""

from pathlib import Path
from typing import Annotated

import typer

from segshrink.cli.options import SplitFile
from segshrink.cli.terminal import TerminalProgress, load_keras, output
from segshrink.errors import UsageError

_FORMATS = {".tflite": "litert", ".onnx": "onnx"}
_RANDOM_IMAGES = 4


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
    import numpy as np

    load_keras()
    from segshrink.export.model_form import fixed_input_shape
    from segshrink.files import calibration_tiles, export_checked
    from segshrink.models import load_model

    trained = load_model(model)
    height_px, width_px = fixed_input_shape(trained)
    if data is None:
        shape = (_RANDOM_IMAGES, height_px, width_px, 3)
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    else:
        from segshrink.data import open_dataset

        dataset = open_dataset(data, split=split, progress=TerminalProgress())
        images = calibration_tiles(dataset, height_px, tiles or 64)
    found = export_checked(trained, out, _FORMATS[out.suffix], images=images, int8=int8)
    output.out(
        f"{out}: {out.stat().st_size:,} bytes, with the model's class for "
        f"{found['agreement']:.2%} of the pixels of "
        f"{'random images' if data is None else 'training tiles'}"
    )
