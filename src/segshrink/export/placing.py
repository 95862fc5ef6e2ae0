"""Moves finished files to their places, whole or not at all."""

import shutil
from contextlib import ExitStack
from pathlib import Path

from segshrink.formats import Format
from segshrink.records import atomic_write, model_files


def place(written: Path, path: Path) -> None:
    """Copy a finished model file, or an OpenVINO pair of files, to `path`.

    An `.xml` takes its name after its `.bin` and loses it before, so that wherever it
    is, its weights are. An earlier file stays until all of the new one is written.
    """
    format = Format.of_file(path)
    with ExitStack() as names:  # the last one is taken first
        for source in model_files(written):
            target = path.with_suffix(source.suffix)
            shutil.copyfile(source, names.enter_context(atomic_write(target)))
        if format is not None and format.weights_suffix:
            path.unlink(missing_ok=True)
