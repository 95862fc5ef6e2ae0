"""Conversion under Keras' TensorFlow backend from a process that runs another backend.

The backend of Keras is settled at import, hence a process of its own. It is started as
`python -m segshrink.export.worker MODEL FILE PRECISION [IMAGES EXCEPTIONS]`, where
IMAGES is an array of calibration images and EXCEPTIONS the rest of a `Calibration`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segshrink.errors import ExportError, SegshrinkError
from segshrink.export.calibration import Calibration
from segshrink.formats import Precision
from segshrink.records import read_json, write_json

if TYPE_CHECKING:
    import keras


def write_file_in_subprocess(
    model: keras.Model,
    path: Path,
    precision: Precision,
    calibration: Calibration | None,
) -> None:
    """Convert a model in a process that runs the TensorFlow backend; see `write_file`.

    Raises:
        ExportError: with the message of the process, if it fails.
    """
    with tempfile.TemporaryDirectory(prefix="segshrink-export-") as folder:
        model_path = Path(folder) / "model.keras"
        model.save(model_path)
        arguments = [str(model_path), str(path), str(precision)]
        if calibration is not None:
            images_path = Path(folder) / "images.npy"
            np.save(images_path, calibration.images)
            exceptions_path = Path(folder) / "exceptions.json"
            exceptions = {
                "ranges": dict(calibration.ranges),
                "float_tensors": list(calibration.float_tensors),
            }
            write_json(exceptions_path, exceptions)
            arguments += [str(images_path), str(exceptions_path)]
        finished = subprocess.run(
            [sys.executable, "-m", "segshrink.export.worker", *arguments],
            env={**os.environ, "KERAS_BACKEND": "tensorflow"},
            capture_output=True,
            text=True,
        )
    if finished.returncode != 0:
        raise ExportError(
            f"model {model.name}: the export under the TensorFlow backend failed. "
            f"{finished.stderr.strip()[-2000:]}"
        )


def main(arguments: list[str]) -> int:
    """Convert the model file named first; see the module's docstring."""
    from segshrink.export.writing import write_file
    from segshrink.models import load_model

    model_path, path, precision, *calibrated = arguments
    calibration = None
    if calibrated:
        images = np.load(calibrated[0], allow_pickle=False)
        calibration = Calibration(images, **read_json(Path(calibrated[1])))
    try:
        model = load_model(Path(model_path))
        write_file(model, Path(path), Precision(precision), calibration)
    except SegshrinkError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
