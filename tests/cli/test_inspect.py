"""Options of `segshrink inspect` that would have no effect are refused."""

import pytest

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
