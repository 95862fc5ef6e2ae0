"""Export under Keras' TensorFlow backend from a process that runs another backend.

The backend of Keras is settled at import, hence a process of its own. It is started as
`python -m segshrink.export.worker MODEL FILE FORMAT QUANTIZE [CALIBRATION]`, where
an empty QUANTIZE is float32.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segshrink.errors import ExportError, SegshrinkError

if TYPE_CHECKING:
    import keras


def export_in_subprocess(
    model: keras.Model,
    path: Path,
    format: str,
    quantize: str | None,
    calibration: np.ndarray | None,
) -> None:
    """Write `path` as `export_model` would.

    Raises:
        ExportError: with the message of the process, if it fails.
    """
    with tempfile.TemporaryDirectory(prefix="segshrink-export-") as folder:
        model_path = Path(folder) / "model.keras"
        model.save(model_path)
        arguments = [str(model_path), str(path), format, quantize or ""]
        if calibration is not None:
            calibration_path = Path(folder) / "calibration.npy"
            np.save(calibration_path, calibration)
            arguments.append(str(calibration_path))
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
    """Export the model file named first; see the module's text for the arguments."""
    from segshrink.export.exporting import export_model
    from segshrink.models import load_model

    model_path, path, format, quantize, *calibration_path = arguments
    options: dict[str, Any] = {"format": format, "quantize": quantize or None}
    if calibration_path:
        options["calibration"] = np.load(calibration_path[0], allow_pickle=False)
    try:
        export_model(load_model(Path(model_path)), path, **options)
    except SegshrinkError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
