"""Export from a process that runs Keras on another backend."""

import keras
import numpy as np
import pytest

from export.tiny_models import blotchy_images, tiny_unet
from segshrink.errors import ExportError
from segshrink.export import export_model, worker
from segshrink.formats import Precision


def test_other_backend_writes_the_same_file(tmp_path, monkeypatch):
    model, images = tiny_unet(), blotchy_images(4)
    options = {"quantize": "int8", "calibration": images}
    here = export_model(model, tmp_path / "here.tflite", **options).read_bytes()
    # Another name is enough: the conversion happens in a process of its own anyway.
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    there = export_model(model, tmp_path / "there.tflite", **options).read_bytes()
    assert len(there) == len(here)
    differing = np.frombuffer(here, np.uint8) != np.frombuffer(there, np.uint8)
    assert differing.mean() < 0.01  # names of the graph may differ


def test_failure_in_the_process_is_reported(tmp_path, monkeypatch):
    class Failed:
        returncode = 2
        stderr = "no such layer"

    monkeypatch.setattr(worker.subprocess, "run", lambda *_, **__: Failed)
    with pytest.raises(ExportError, match="model tiny: .*failed. no such layer"):
        worker.write_file_in_subprocess(
            tiny_unet(), tmp_path / "m.tflite", Precision.FLOAT32, None
        )
