"""Moves finished files to their places, whole or not at all."""

import shutil
from pathlib import Path

from segshrink.formats import Format
from segshrink.records import atomic_write, model_files


def place(written: Path, path: Path) -> None:
    """Copy a finished model file, or an OpenVINO pair of files, to `path`.

    An `.xml` is copied after its `.bin` and removed before it, so that wherever it is,
    its weights are.
    """
    format = Format.of_file(path)
    if format is not None and format.weights_suffix:
        path.unlink(missing_ok=True)
    for source in reversed(model_files(written)):
        with atomic_write(path.with_suffix(source.suffix)) as partial:
            shutil.copyfile(source, partial)
