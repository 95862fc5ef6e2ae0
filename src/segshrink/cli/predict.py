"""segshrink predict."""

from pathlib import Path
from typing import Annotated

import typer

from segshrink.cli.options import Threads
from segshrink.cli.terminal import TerminalProgress, errors, output
from segshrink.errors import UsageError


def predict(
    artifact: Annotated[Path, typer.Argument(help=".keras, .tflite or .onnx file.")],
    images: Annotated[list[Path], typer.Argument(help="Images of any size.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write into.")],
    threads: Threads = 1,
) -> None:
    """Segment images; OUT gets a class-index PNG and a coloured overlay of each.

    A damaged image is reported at the end and does not stop the rest.

    Example: segshrink predict student.tflite photo.jpg --out predicted
    """
    from segshrink.errors import DatasetError
    from segshrink.prediction import segment_file
    from segshrink.runtimes import load_artifact

    opened = load_artifact(artifact, threads=threads)
    _refuse_doubles(images)
    progress = TerminalProgress()
    progress.start("predict", len(images))
    faults = []
    for path in images:
        try:
            segment_file(opened, path, out)
        except DatasetError as error:
            faults.append(str(error))
        progress.advance(image=path.name)
    progress.finish()
    output.print(f"{len(images) - len(faults)} of {len(images)} images: {out}")
    for fault in faults:
        errors.print(fault, markup=False)
    if faults:
        raise SystemExit(DatasetError.exit_code)


def _refuse_doubles(images: list[Path]) -> None:
    stems = [path.stem for path in images]
    doubles = sorted({stem for stem in stems if stems.count(stem) > 1})
    if doubles:
        raise UsageError(
            f"Images share the names {', '.join(doubles)}, and their results would "
            "overwrite each other. Predict them into different folders."
        )
