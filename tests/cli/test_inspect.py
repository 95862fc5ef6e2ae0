"""Options of `segshrink inspect` that would have no effect are refused."""

import numpy as np
import pytest
from PIL import Image

from e2e.command_line import succeeded
from segshrink.cli.inspect import inspect
from segshrink.errors import UsageError


@pytest.mark.parametrize("name", ["model.keras", "model.tflite", "model.onnx"])
@pytest.mark.parametrize(
    ("write", "option"), [(False, "--no-write"), (True, "--write")]
)
def test_a_model_has_no_starter_to_write(name, write, option):
    with pytest.raises(UsageError, match=f"{option} has no effect on a model file"):
        inspect(name, write=write)


@pytest.mark.parametrize("path", ["model.tflite", "folder", "synthetic"])
def test_only_a_keras_model_can_be_pruned(path):
    with pytest.raises(UsageError, match=f"--keep is for Keras models, but {path}"):
        inspect(path, keep=0.5)


def test_unlabelled_images_belong_to_a_data_set():
    with pytest.raises(UsageError, match="--unlabelled has no effect on a model file"):
        inspect("model.keras", unlabelled=["more"])


def test_unlabelled_images_are_shown(tmp_path):
    for number in range(3):
        pixels = np.full((20 + number, 30, 3), number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    shown = succeeded("inspect", "synthetic", "--unlabelled", tmp_path)
    assert "20 to 22" in shown and "30 to 30" in shown
    assert "Broken, counts nothing" in shown
    assert "None of them is a copy" in shown
