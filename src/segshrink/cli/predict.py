"""segshrink predict."""

from pathlib import Path
from typing import Annotated

import typer

from segshrink.cli.options import Threads
from segshrink.cli.terminal import TerminalProgress, errors, load_keras, output
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
    from segshrink.prediction import result_paths, segment_file
    from segshrink.runtimes import load_artifact

    if artifact.suffix == ".keras":
        load_keras()
    opened = load_artifact(artifact, threads=threads)
    _refuse_overwriting(images, [result_paths(path, out) for path in images])
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
    output.out(f"{len(images) - len(faults)} of {len(images)} images: {out}")
    for fault in faults:
        errors.print(fault)
    if faults:
        raise SystemExit(DatasetError.exit_code)


def _refuse_overwriting(images: list[Path], results: list[tuple[Path, Path]]) -> None:
    written = [path for pair in results for path in pair]
    doubles = sorted({path.name for path in written if written.count(path) > 1})
    if doubles:
        raise UsageError(
            f"The results {', '.join(doubles)} of several images would overwrite each "
            "other. Predict images of the same name into different folders."
        )
    originals = {path.resolve() for path in images}
    lost = sorted(path.name for path in written if path.resolve() in originals)
    if lost:
        raise UsageError(
            f"The results would overwrite the images {', '.join(lost)}. "
            "Name another folder as --out."
        )
