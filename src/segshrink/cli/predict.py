"""segshrink predict."""

from pathlib import Path
from typing import Annotated

import typer

from segshrink.cli.options import Threads
from segshrink.cli.terminal import TerminalProgress, errors, load_keras, output


def predict(
    artifact: Annotated[
        Path, typer.Argument(help=".keras, .tflite, .onnx or .xml file.")
    ],
    images: Annotated[
        list[Path], typer.Argument(help="Images of any size, or folders of them.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder to write into.")],
    threads: Threads = 1,
) -> None:
    """Segment images; OUT gets a class-index PNG and a coloured overlay of each.

    areas.csv says how much of each image each class covers. A call that was stopped
    goes on where it was. A damaged image is reported at the end and does not stop the
    rest.

    Example: segshrink predict student.tflite photo.jpg --out predicted
    """
    from segshrink.errors import DatasetError
    from segshrink.prediction import find_photos, segment_files
    from segshrink.runtimes import load_artifact

    if artifact.suffix == ".keras":
        load_keras()
    photos = find_photos(images, out)
    opened = load_artifact(artifact, threads=threads)
    outcome = segment_files(opened, photos, out, progress=TerminalProgress())
    there = f", {outcome.kept} of them before" if outcome.kept else ""
    output.out(f"{outcome.done + outcome.kept} of {len(photos)} images{there}: {out}")
    for fault in outcome.faults:
        errors.print(fault)
    if outcome.faults:
        raise SystemExit(DatasetError.exit_code)
