"""Export under Keras' TensorFlow backend from a process that runs another backend.

The backend of Keras is settled at import, hence a process of its own. It is started as
`python -m segshrink.export.worker MODEL FILE FORMAT QUANTIZE [CALIBRATION OPTIONS]`,
where an empty QUANTIZE is float32 and OPTIONS is a JSON file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segshrink.errors import ExportError, SegshrinkError
from segshrink.records import read_json, write_json

if TYPE_CHECKING:
    import keras


def export_in_subprocess(
    model: keras.Model,
    path: Path,
    format: str,
    quantize: str | None,
    calibration: np.ndarray | None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    in_float: Collection[str] = (),
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
            options_path = Path(folder) / "options.json"
            options = {"ranges": dict(ranges or {}), "in_float": list(in_float)}
            write_json(options_path, options)
            arguments += [str(calibration_path), str(options_path)]
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

    model_path, path, format, quantize, *calibrated = arguments
    options: dict[str, Any] = {"format": format, "quantize": quantize or None}
    if calibrated:
        options["calibration"] = np.load(calibrated[0], allow_pickle=False)
        options |= read_json(Path(calibrated[1]))
    try:
        export_model(load_model(Path(model_path)), path, **options)
    except SegshrinkError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
