"""Models whose images are of any size or not square, through every verb."""

import json

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from e2e import reds
from e2e.command_line import refused, succeeded
from segshrink.models import load_model

SIZE_PX = (100, 150)
READS = ("--input-range", "0-255")
FIRST = {"data_format": "channels_first"}
SHAPES = {
    "open, bands first": (3, None, None),
    "bands first": (3, 64, 64),
    "open": (None, None, 3),
    "open width": (64, None, 3),
    "oblong": (96, 128, 3),
    "small": (64, 64, 3),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return reds.write_folder(tmp_path_factory.mktemp("oblong"), *SIZE_PX)


def write_model(path, shape, *, nested=False):
    """A model that sees single pixels behind a ReLU that can be pruned."""
    images = keras.Input(shape)
    how = FIRST if shape[0] == 3 else {}
    spread = reds.conv(np.tile(np.eye(3), 8), np.zeros(24), activation="relu", **how)
    if nested:
        inner = keras.Input(shape)
        spread = keras.Model(inner, spread(inner), name="encoder")
    gathered = reds.conv(np.tile(np.eye(3), 8).T / 8, np.zeros(3), **how)
    logits = reds.two_classes(**how)(gathered(spread(images)))
    keras.Model(images, logits).save(path)
    return path


@pytest.fixture(params=SHAPES)
def model(request, tmp_path):
    return write_model(tmp_path / "m.keras", SHAPES[request.param])


def measured(file, folder, out, *options):
    succeeded("evaluate", file, folder, "--json", out, *options)
    return json.loads(out.read_text())["quality"]["mean_iou"]


WANTED = pytest.approx(reds.expected_miou(*SIZE_PX), abs=1e-3)


def test_images_are_predicted_by_windows(tmp_path, folder, model):
    assert measured(model, folder, tmp_path / "k.json", *READS) == WANTED
    images = folder / "test" / "images"
    succeeded("predict", model, images, "--out", tmp_path / "out", *READS)
    for number in reds.TESTED:
        found = np.asarray(Image.open(tmp_path / "out" / f"{number}.png"))
        wanted = reds.picture(number, *SIZE_PX)[..., 0] > reds.LEVEL
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", ["m.tflite", "m.onnx"])
def test_a_size_is_stated_at_the_export(tmp_path, folder, model, name):
    out = tmp_path / name
    succeeded(
        "export", model, "--out", out, "--size", "64x96", "--data", folder, *READS
    )
    assert measured(out, folder, tmp_path / "f.json") == WANTED


@pytest.mark.parametrize("shape", [(None, None, 3), (64, 64, 3)])
def test_models_in_the_model_follow_its_size(tmp_path, folder, shape):
    model = write_model(tmp_path / "m.keras", shape, nested=True)
    out = tmp_path / "m.tflite"
    succeeded("export", model, "--out", out, "--size", "64x96", *READS)
    assert measured(out, folder, tmp_path / "f.json") == WANTED


def test_the_size_of_windows_is_told_and_a_file_needs_one(tmp_path, folder):
    model = write_model(tmp_path / "m.keras", (None, None, 3))
    message = refused("export", model, "--out", tmp_path / "m.tflite", "--data", folder)
    assert "Choose one with --size HEIGHTxWIDTH" in message
    shown = succeeded("inspect", model)
    assert "MACs per image of 256 x 256 pixels" in shown


@pytest.mark.parametrize("options", [("--keep", "0.5"), ("--macs", "0.5")])
def test_pruning_leaves_the_size_as_it_was(tmp_path, folder, model, options):
    out = tmp_path / "smaller.keras"
    data = ("--data", folder, "--tiles", 4, *READS)
    succeeded("prune", model, "--out", out, *options, *data)
    smaller, before = load_model(out), load_model(model)
    # Channels that came first are last now, and the size is what it was.
    assert smaller.input_shape == before.input_shape
    assert smaller.count_params() < before.count_params()
    # The channels are copies of each other, and the rest is solved for.
    assert measured(out, folder, tmp_path / "k.json", *READS) == pytest.approx(
        reds.expected_miou(*SIZE_PX), abs=0.02
    )


def test_a_teacher_of_another_size_teaches(tmp_path, folder, model):
    student = tmp_path / "s.keras"
    images = keras.Input((32, 32, 3))
    scaled = layers.Rescaling(1 / 255)(images)
    keras.Model(images, layers.Conv2D(2, 1)(scaled)).save(student)
    settings = {
        "data.tile_px": 32,
        "student.training.epochs": 1,
        "student.training.tiles_per_epoch": 8,
    }
    options = [
        x for pair in settings.items() for x in ("--set", "=".join(map(str, pair)))
    ]
    printed = succeeded(
        "distill", folder, "--teacher", model, "--student", student,
        "--out", tmp_path / "run", *options, *READS,
    )  # fmt: skip
    assert "mean IoU" in printed


def test_files_of_any_size_are_timed(tmp_path, folder):
    model = write_model(tmp_path / "m.keras", (None, None, 3))
    out = tmp_path / "b.json"
    printed = succeeded(
        "benchmark", model, "--rounds", 3, "--threads", 1, "--data", folder,
        "--json", out, *READS,
    )  # fmt: skip
    (record,) = json.loads(out.read_text())["files"]
    assert record["quality"]["mean_iou"] == WANTED
    assert "m.keras" in printed


@pytest.mark.parametrize("size", [(64, 64), ("height", "width")])
@pytest.mark.parametrize("ending", ["Identity", "Softmax"])
def test_onnx_files_with_bands_first(tmp_path, folder, size, ending):
    """As PyTorch writes them."""
    onnx = pytest.importorskip("onnx")
    kernel, bias = (np.array(x, np.float32) for x in reds.two_classes().get_weights())
    weights = {"kernel": kernel.transpose(3, 2, 0, 1), "bias": bias}
    option = {"axis": 1} if ending == "Softmax" else {}
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Conv", ["image", *weights], ["logits"]),
            onnx.helper.make_node(ending, ["logits"], ["given"], **option),
        ],
        "reds",
        *(
            [onnx.helper.make_tensor_value_info(name, 1, ["batch", count, *size])]
            for name, count in (("image", 3), ("given", 2))
        ),
        [
            onnx.numpy_helper.from_array(values, name)
            for name, values in weights.items()
        ],
    )
    opset = [onnx.helper.make_opsetid("", 13)]
    path = tmp_path / "m.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    assert measured(path, folder, tmp_path / "k.json", *READS) == WANTED
    images = folder / "test" / "images"
    succeeded("predict", path, images, "--out", tmp_path / "out", *READS)
    found = np.asarray(Image.open(tmp_path / "out" / "6.png"))
    wanted = reds.picture(6, *SIZE_PX)[..., 0] > reds.LEVEL
    np.testing.assert_array_equal(found, wanted)
