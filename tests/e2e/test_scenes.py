"""`segshrink predict` on georeferenced scenes, and what can go wrong with it."""

import csv
import signal
import subprocess
import time

import numpy as np
import pytest
from PIL import Image

from e2e.command_line import refused, started, succeeded, typed
from e2e.run_files import files_of
from export.tiny_models import blotchy_images, tiny_unet
from segshrink.export import export_model
from segshrink.runtimes import load_artifact, predict_image

rasterio = pytest.importorskip("rasterio")
pytest.importorskip("pyogrio")

from prediction.geotiffs import read_classes, write_scene  # noqa: E402

_PATIENCE_SECONDS = 300


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.tflite"
    export_model(tiny_unet(), path, format="litert")
    return path


@pytest.fixture(scope="module")
def pixels():
    return blotchy_images(1, size_px=400)[0][:300]


@pytest.fixture
def scene(tmp_path, pixels):
    return write_scene(tmp_path / "Bilder" / "Stadt (1).tif", pixels)


def test_predict_writes_a_geotiff_and_polygons(model, scene, pixels, tmp_path):
    out = tmp_path / "Ergebnis"
    command = ("predict", model, scene.parent, "--out", out)
    assert succeeded(*command) == f"1 of 1 images: {out}\n"
    files = {"Stadt (1).tif", "Stadt (1)-overlay.png", "areas.csv", "predicted.json"}
    assert files_of(out) == files
    expected = predict_image(load_artifact(model), pixels).argmax(axis=-1)
    np.testing.assert_array_equal(read_classes(out / scene.name), expected)
    with (out / "areas.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    counts = np.bincount(expected.ravel(), minlength=4)
    assert [int(row["pixels"]) for row in rows] == counts.tolist()
    assert [float(row["area_m2"]) for row in rows] == (0.25 * counts).tolist()
    again = succeeded(*command, "--polygons", "geojson")
    assert again == f"1 of 1 images, 1 of them before: {out}\n"
    assert files_of(out) == files | {"Stadt (1).geojson"}


def test_a_prediction_that_was_killed_goes_on(model, scene, pixels, tmp_path):
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    big = write_scene(tmp_path / "big" / "z.tif", np.tile(pixels, (8, 8, 1)))
    succeeded("predict", model, scene, big, "--out", undisturbed)
    command = ("predict", model, scene, big, "--out", out)
    process = started(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + _PATIENCE_SECONDS
    while not (out / ".partial-z.draft.tif").exists() and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert (out / scene.name).exists() and not (out / "z.tif").exists()
    printed = succeeded(*command)
    assert printed == f"2 of 2 images, 1 of them before: {out}\n"
    assert files_of(out) == files_of(undisturbed)
    for path in undisturbed.iterdir():
        assert (out / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (20, 20)])
def test_images_smaller_than_a_tile(model, tmp_path, size):
    small = blotchy_images(1, size_px=64)[0][: size[0], : size[1]]
    Image.fromarray(small).save(tmp_path / "photo.png")
    scene = write_scene(tmp_path / "scene.tif", small)
    out = tmp_path / "out"
    succeeded("predict", model, tmp_path / "photo.png", scene, "--out", out)
    classes = read_classes(out / "scene.tif")
    assert classes.shape == size
    np.testing.assert_array_equal(np.asarray(Image.open(out / "photo.png")), classes)
    assert Image.open(out / "scene-overlay.png").size == size[::-1]


def test_damaged_and_unfit_scenes_do_not_stop_the_rest(model, scene, pixels, tmp_path):
    folder, out = scene.parent, tmp_path / "out"
    torn = write_scene(folder / "a torn.tif", pixels, compress="deflate")
    torn.write_bytes(torn.read_bytes()[:9000])
    infrared = np.concatenate([pixels, pixels[..., :1]], axis=-1)
    write_scene(folder / "b four.tif", infrared, photometric="minisblack", alpha="no")
    write_scene(folder / "c deep.tif", pixels.astype(np.uint16))
    finished = typed("predict", model, folder, "--out", out, "--polygons", "gpkg")
    assert finished.exit_code == 2
    assert finished.out == f"1 of 4 images: {out}\n"
    assert "Traceback" not in finished.errors
    for text in (
        f"{torn}: cannot be read (",
        "b four.tif: bands must be red, green and blue",
        "got 4 of uint8",
        "got 3 of uint16",
        f"-scale 0 65535 0 255 -co TILED=YES '{folder / 'c deep.tif'}'",
    ):
        assert text in finished.errors
    assert files_of(out) == {
        "Stadt (1).tif", "Stadt (1)-overlay.png", "Stadt (1).gpkg", "areas.csv",
        "predicted.json",
    }  # fmt: skip


def test_options_without_effect_are_refused(model, scene, tmp_path):
    photo, out = tmp_path / "photo.png", tmp_path / "out"
    Image.new("RGB", (9, 9)).save(photo)
    command = ("predict", model, photo, "--out", out)
    assert "polygons have no effect" in refused(*command, "--polygons", "gpkg")
    assert "--workers: has no effect without --ray" in refused(*command, "--workers", 2)
    wrong = refused("predict", model, scene, "--out", out, "--polygons", "shp")
    assert "one of geojson, gpkg, got 'shp'" in wrong
    assert not out.exists()


def test_a_model_that_was_cut_off_is_named(model, scene, tmp_path):
    torn = tmp_path / "torn.tflite"
    torn.write_bytes(model.read_bytes()[:5000])
    message = refused("predict", torn, scene, "--out", tmp_path / "out")
    assert f"ModelError: {torn}: " in message
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_told(model, scene, pixels, tmp_path, small_disk):
    big = write_scene(tmp_path / "big" / "z.tif", np.tile(pixels, (4, 4, 1)))
    succeeded("predict", model, scene, "--out", tmp_path / "a")
    needed = sum(path.stat().st_size for path in (tmp_path / "a").iterdir())
    disk = small_disk(2 * needed)
    finished = typed("predict", model, scene, big, "--out", disk)
    assert finished.exit_code == 1
    assert "No space left on device. Make room there" in finished.errors
    assert "Traceback" not in finished.errors
    assert files_of(disk) == {
        "Stadt (1).tif", "Stadt (1)-overlay.png", "predicted.json",
    }  # fmt: skip


def test_a_folder_that_takes_no_files(model, scene, tmp_path):
    (tmp_path / "file").write_text("important")
    out = tmp_path / "file" / "out"
    assert str(tmp_path / "file") in refused("predict", model, scene, "--out", out)
    assert (tmp_path / "file").read_text() == "important"
