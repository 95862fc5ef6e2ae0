"""The export of a process that runs Keras on another backend."""

import keras
import numpy as np
import pytest

from export.tiny_models import blotchy_images, tiny_unet
from segshrink.errors import ExportError
from segshrink.export import export_model, worker


def test_other_backend_writes_the_same_file(tmp_path, monkeypatch):
    model, images = tiny_unet(), blotchy_images(4)
    options = {"quantize": "int8", "calibration": images}
    here = export_model(model, tmp_path / "here.tflite", **options).read_bytes()
    # Only the name is another's: the work itself happens in the process anyway.
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    there = export_model(model, tmp_path / "there.tflite", **options).read_bytes()
    assert len(there) == len(here)
    differing = np.frombuffer(here, np.uint8) != np.frombuffer(there, np.uint8)
    assert differing.mean() < 0.01  # names of the graph may differ


def test_failure_in_the_process_is_told(tmp_path, monkeypatch):
    class Failed:
        returncode = 2
        stderr = "no such layer"

    monkeypatch.setattr(worker.subprocess, "run", lambda *_, **__: Failed)
    with pytest.raises(ExportError, match="model tiny: .*failed. no such layer"):
        worker.export_in_subprocess(
            tiny_unet(), tmp_path / "m.tflite", "litert", None, None
        )
