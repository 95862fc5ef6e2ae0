"""Images of four bands and of one, from a folder to predictions of int8 files."""

import json

import numpy as np
import pytest
from PIL import Image

from e2e.command_line import refused, succeeded
from segshrink.data.synthetic import CLASSES, generate_scene
from segshrink.export import read_metadata
from segshrink.models import read_bands

rasterio = pytest.importorskip("rasterio")

SCENE_PX = 64
NAMES = "abcd"
RECIPE = """
data: {tile_px: 32}
teacher:
  model: {base_filters: 4, levels: 2}
  training: {epochs: 2, tiles_per_epoch: 8, batch_size: 4}
student:
  training: {epochs: 2, tiles_per_epoch: 8, batch_size: 4}
  pruning: {keep: 0.5, multiple_of: 2}
export: {int8: true, onnx: true, calibration_tiles: 8}
measuring: {rounds: 3, samples: 1}
"""
HIGHEST = 10000


def reflectance(index):
    """Numbers of four bands as satellites have them, and labels."""
    pixels, labels = generate_scene(index, size_px=SCENE_PX, seed=1, num_bands=4)
    return (pixels.astype(float) * HIGHEST / 255).round().astype(np.int16), labels


def write_geotiff(path, values):
    height, width, count = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=count,
        dtype=values.dtype, nodata=-9999, crs="EPSG:32632",
        transform=rasterio.Affine(10, 0, 500000, 0, -10, 5000000),
    ) as target:  # fmt: skip
        target.write(np.moveaxis(values, -1, 0))


def write_folder(root, bands, write):
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
    for index, name in enumerate(NAMES):
        values, labels = reflectance(index)
        write(root / "images" / name, values)
        Image.fromarray(labels).save(root / "masks" / f"{name}.png")
    classes = [{"name": x, "index": i} for i, x in enumerate(CLASSES.names)]
    text = {
        "classes": classes,
        "split": {"train": ["a", "b"], "val": ["c"], "test": ["d"]},
        "bands": bands,
    }
    (root / "dataset.yaml").write_text(json.dumps(text))
    return root


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    folder = tmp_path_factory.mktemp("four")
    bands = {"use": [3, 2, 1, 4], "scale": [0, HIGHEST], "nodata": -9999}
    root = write_folder(
        folder / "data", bands, lambda x, y: write_geotiff(x.with_suffix(".tif"), y)
    )
    (folder / "recipe.yaml").write_text(RECIPE)
    run = folder / "run"
    succeeded("compress", root, "--recipe", folder / "recipe.yaml", "--out", run)
    return root, run


def artifacts(run):
    return [
        run / "artifacts" / f"student-{name}"
        for name in ("int8.tflite", "float.tflite", "float.onnx")
    ]


def test_files_carry_the_bands_and_their_scale(four):
    _, run = four
    expected = {
        "use": [3, 2, 1, 4],
        "scale": [[0.0, float(HIGHEST)]] * 4,
        "nodata": -9999.0,
    }
    for file in artifacts(run):
        image = read_metadata(file).input
        assert image.channels == "4 bands"
        assert image.bands.as_plain() == expected
    for stage in ("teacher", "student"):
        assert read_bands(run / stage / "model.keras").as_plain() == expected
    assert json.loads((run / "data.json").read_text())["bands"] == expected
    assert "4 bands" in succeeded("inspect", artifacts(run)[0])
    assert "bands 3, 2, 1, 4, 0 to 10000" in succeeded(
        "inspect", run / "student" / "model.keras"
    )


def test_each_file_is_measured_and_predicts(four, tmp_path):
    root, run = four
    values, _ = reflectance(7)
    values[:5] = -9999
    write_geotiff(tmp_path / "scene.tif", values)
    np.save(tmp_path / "array.npy", values)
    for number, file in enumerate(artifacts(run)):
        shown = succeeded("evaluate", file, root, "--out", tmp_path / f"seen{number}")
        assert "1 images of test: mean IoU" in shown
        out = tmp_path / f"out{number}"
        scene, array = tmp_path / "scene.tif", tmp_path / "array.npy"
        succeeded("predict", file, scene, array, "--out", out)
        with rasterio.open(out / "scene.tif") as result:
            classes = result.read(1)
            assert result.crs.to_epsg() == 32632
        with Image.open(out / "array.png") as picture:
            assert np.array_equal(np.asarray(picture), classes)
        assert (classes[:5] == 255).all() and (classes[5:] < 6).all()
        with Image.open(out / "scene-overlay.png") as picture:
            assert picture.mode == "RGB"
        rows = (out / "areas.csv").read_text()
        assert str(59 * 64) in rows or "scene.tif" in rows
    succeeded("benchmark", artifacts(run)[0], "--data", root, "--rounds", 3)


def test_each_verb_on_the_files(four, tmp_path):
    root, run = four
    teacher = run / "teacher" / "model.keras"
    smaller = tmp_path / "smaller.keras"
    succeeded("prune", teacher, "--data", root, "--keep", 0.5, "--out", smaller)
    assert read_bands(smaller) == read_bands(teacher)
    succeeded("export", smaller, "--out", tmp_path / "x.onnx")
    assert read_metadata(tmp_path / "x.onnx").input.bands == read_bands(teacher)


def test_other_images_are_refused_with_a_sentence(four, tmp_path):
    root, run = four
    pixels, labels = generate_scene(0, size_px=64, seed=1)
    Image.fromarray(pixels).save(tmp_path / "rgb.png")
    told = refused(
        "predict", artifacts(run)[0], tmp_path / "rgb.png", "--out", tmp_path / "out"
    )
    assert "rgb.png: band 4 is wanted, but it has 3" in told
    rgb = tmp_path / "rgb"
    for kind, picture in (("images", pixels), ("masks", labels)):
        (rgb / kind).mkdir(parents=True)
        for name in NAMES:
            Image.fromarray(picture).save(rgb / kind / f"{name}.png")
    (rgb / "dataset.yaml").write_text((root / "dataset.yaml").read_text())
    text = json.loads((rgb / "dataset.yaml").read_text())
    del text["bands"]
    (rgb / "dataset.yaml").write_text(json.dumps(text))
    assert "takes images of 4 bands, but those of the test part have 3" in refused(
        "evaluate", artifacts(run)[0], rgb
    )


def test_greyscale_keeps_one_band(tmp_path):
    def write(path, values):
        grey = np.clip(values[..., 3] / HIGHEST * 4095, 0, 4095).astype(np.uint16)
        Image.fromarray(grey).save(path.with_suffix(".png"))

    root = write_folder(tmp_path / "data", {"use": [1]}, write)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    run = tmp_path / "run"
    succeeded("compress", root, "--recipe", tmp_path / "recipe.yaml", "--out", run)
    for file in artifacts(run):
        image = read_metadata(file).input
        assert image.channels == "1 band"
        ((low, high),) = image.bands.scale
        assert low == 0 and 2000 < high <= 4095
        assert "mean IoU" in succeeded("evaluate", file, root)
        picture = root / "images" / "d.png"
        succeeded("predict", file, picture, "--out", tmp_path / file.name)
        with Image.open(tmp_path / file.name / "d-overlay.png") as overlay:
            assert overlay.mode == "RGB"
