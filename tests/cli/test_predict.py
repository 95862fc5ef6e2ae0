"""The figures of `segshrink predict`, of images and of films."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from e2e.command_line import refused, succeeded, typed
from segshrink.prediction import legend
from segshrink.runtimes import load_artifact, shipped_model

NAMES = [name for name, _ in legend(load_artifact(shipped_model()))]


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_each_image_has_its_result_its_pixels_and_its_fault(photo, tmp_path):
    damaged, out = tmp_path / "damaged.png", tmp_path / "out"
    damaged.write_bytes(photo.read_bytes()[:500])
    rows = tmp_path / "files.csv"
    finished = typed(
        "predict", photo, damaged, "--out", out, "--json", "-", "--csv", rows
    )
    assert finished.exit_code == 2
    found = json.loads(finished.out)
    assert found["model"].endswith(shipped_model().name)
    good, bad = found["files"]
    assert good["file"] == str(photo) and good["fault"] is None
    assert good["result"] == str(out / "photo.png")
    mask = np.asarray(Image.open(out / "photo.png"))
    expected = np.bincount(mask.ravel(), minlength=len(NAMES)).tolist()
    assert good["pixels"] == dict(zip(NAMES, expected, strict=True))
    assert bad["result"] is None and bad["fault"].startswith(str(damaged))
    read = list(csv.DictReader(io.StringIO(rows.read_text(encoding="utf-8"))))
    assert [row["file"] for row in read] == [str(photo), str(damaged)]
    assert [row["is_kept"] for row in read] == ["False", "False"]
    again = json.loads(succeeded("predict", photo, "--out", out, "--json", "-"))
    assert again["files"][0]["is_kept"]


def test_a_film_has_its_result_and_its_frames(tmp_path):
    pytest.importorskip("av")
    from prediction.videos import write_film

    pictures = [np.full((48, 64, 3), 80 * i, np.uint8) for i in range(3)]
    film = write_film(tmp_path / "film.mp4", pictures, [0, 40, 80])
    out = tmp_path / "out"
    found = json.loads(succeeded("predict", film, "--out", out, "--json", "-"))
    assert found["files"] == [
        {
            "file": str(film),
            "result": str(out / "film-overlay.mp4"),
            "is_kept": False,
            "fault": None,
            "frames": 3,
        }
    ]


def test_a_model_among_the_images_is_refused(photo, tmp_path):
    for files in ((photo, shipped_model()), (shipped_model(), photo, shipped_model())):
        message = refused("predict", *files, "--out", tmp_path / "out")
        assert "aerial.tflite: a model among the images" in message
    assert not (tmp_path / "out").exists()
