"""How to use the file that a run was for."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from segshrink.reporting.run_records import read_run
from segshrink.reporting.use import file_in_use
from segshrink.runtimes import load_artifact, shipped_model


def test_the_int8_student_is_the_file(run_folder):
    folder = run_folder()
    assert file_in_use(read_run(folder)) is None  # the file is gone
    place = folder / "artifacts" / "student-int8.tflite"
    place.parent.mkdir(exist_ok=True)
    shutil.copyfile(shipped_model(), place)
    use = file_in_use(read_run(folder))
    assert use.path == place
    assert use.sentence() == (
        f"Your file: {place}, {use.size}. Try: segshrink predict {place} photo.jpg "
        "--out predicted"
    )


def test_the_snippet_runs_without_segshrink(run_folder):
    folder = run_folder()
    place = folder / "artifacts" / "student-int8.tflite"
    place.parent.mkdir(exist_ok=True)
    shutil.copyfile(shipped_model(), place)
    artifact = load_artifact(place)
    size = artifact.input_shape[::-1]
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    # As PNG, which keeps every pixel, though its name says otherwise.
    Image.fromarray(photo).save(place.parent / "photo.jpg", format="PNG")
    snippet = file_in_use(read_run(folder)).snippet
    assert "segshrink" not in snippet
    subprocess.run(
        [sys.executable, "-c", f"{snippet}\nnp.save('classes.npy', classes)"],
        cwd=place.parent,
        check=True,
        env={"PATH": ""},
    )
    found = np.load(place.parent / "classes.npy")
    assert np.array_equal(found, artifact.predict(photo[None])[0].argmax(-1))


@pytest.mark.export
def test_the_snippet_of_onnx_runs_too(run_folder):
    from segshrink.export import export_model
    from segshrink.models import build_model
    from segshrink.reporting.use import _ONNX

    folder = run_folder()
    model = build_model(
        "compact", num_classes=6, input_shape=(64, 64, 3), width=8, stem_stride=4
    )
    file = export_model(model, folder / "it's {odd}.onnx")
    photo = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(photo).save(folder / "photo.jpg", format="PNG")
    snippet = _ONNX.format(file=f'"{file.name}"')
    subprocess.run(
        [sys.executable, "-c", f"{snippet}\nnp.save('classes.npy', classes)"],
        cwd=folder,
        check=True,
    )
    found = np.load(folder / "classes.npy")
    expected = load_artifact(file).predict(photo[None])[0].argmax(-1)
    assert np.array_equal(found, expected)
