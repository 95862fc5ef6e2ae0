"""What each verb imports: a device that only runs a file has little installed."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segshrink.compression.data import open_recipe_data
from segshrink.compression.run_folder import open_run
from segshrink.progress import SilentProgress
from segshrink.recipe import parse_recipe
from segshrink.runtimes import shipped_model

# What the extras bring, and what comes with it.
EXTRAS = (
    "av cv2 h5py jax jinja2 keras litert_quantizer markupsafe matplotlib onnx "
    "onnxruntime openvino optuna pandas rasterio ray scipy sklearn tensorflow "
    "tf2onnx torch"
).split()

PROGRAM = """
import sys

absent = set(sys.argv[1].split(","))

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
del sys.argv[1]
from segshrink.cli import main
main()
"""


def run_without(absent, *words, folder):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, ",".join(absent), *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (300, 280, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.jpg")
    return tmp_path / "photo.jpg"


# The data set is drawn for each: 5 scenes are measured in seconds.
@pytest.mark.e2e
@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["inspect", shipped_model()],
        ["inspect", "synthetic"],
        ["benchmark", shipped_model(), "--threads", "1", "--rounds", "3"],
        ["evaluate", shipped_model(), "synthetic"],
        ["predict", "photo.jpg", "--out", "predicted"],
        ["predict", shipped_model(), "photo.jpg", "--out", "predicted"],
        ["doctor"],
    ],
    ids=lambda words: " ".join(Path(word).name for word in words),
)
def test_whatever_runs_files_needs_no_extra(photo, words):
    result = run_without(EXTRAS, *words, folder=photo.parent)
    assert result.returncode == 0, result.stderr
    if words[0] == "predict":
        found = sorted(x.name for x in (photo.parent / "predicted").iterdir())
        assert "photo.png" in found


@pytest.mark.e2e
def test_the_data_of_a_run_need_no_extra(tmp_path):
    recipe = parse_recipe({"data": {"scenes": 3, "scene_px": 128}})
    open_run(tmp_path, recipe, "", open_recipe_data(recipe, SilentProgress()))
    shutil.copy(shipped_model(), tmp_path / "m.tflite")
    result = run_without(EXTRAS, "evaluate", "m.tflite", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "1 images of test: mean IoU" in result.stdout


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["predict", "mine.keras", "photo.jpg", "--out", "predicted"], "main"),
        (["evaluate", "mine.keras", "synthetic"], "main"),
        (["train", "synthetic", "--out", "run"], "main"),
        (["compress", "synthetic", "--out", "run"], "main"),
        (["prune", "mine.keras", "--keep", "0.5", "--out", "small.keras"], "main"),
        (["benchmark", shipped_model(), "--plot", "latency.png"], "report"),
        (["evaluate", shipped_model(), "synthetic", "--out", "looked-at"], "report"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(map(str, value)),
)
def test_whatever_else_is_needed_is_named_before_any_work(photo, words, extra):
    (photo.parent / "mine.keras").write_bytes(b"not looked at")
    result = run_without(EXTRAS, *words, folder=photo.parent)
    assert result.returncode == 2
    assert f"pip install 'segshrink[{extra}]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_only_extras_of_ours_are_named():
    from segshrink.errors import missing_extra

    error = ModuleNotFoundError("No module named 'colours'", name="colours")
    assert missing_extra(error) is None
    error = ModuleNotFoundError("No module named 'ray.data'", name="ray.data")
    assert "segshrink[ray]" in str(missing_extra(error))
