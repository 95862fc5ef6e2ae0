"""Models of any head and any range of images, through every verb that takes a model."""

import json

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from e2e import reds
from e2e.command_line import refused, succeeded
from e2e.reds import LEVEL, LIMIT, RED, conv, two_classes
from segshrink.models import load_model
from segshrink.models.input_range import with_input_range
from segshrink.runtimes import load_artifact

SIDE_PX = 32
HEADS = ("sigmoid", "logit", "softmax", "softmax inside", "two outputs")


def picture(number):
    return reds.picture(number, SIDE_PX, SIDE_PX)


def expected_miou():
    return reds.expected_miou(SIDE_PX, SIDE_PX)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return reds.write_folder(tmp_path_factory.mktemp("reds"), SIDE_PX, SIDE_PX)


def model_of(head):
    images = keras.Input((SIDE_PX, SIDE_PX, 3))
    single = conv(RED, [-0.2 * LIMIT])(images)
    double = two_classes()(images)
    outputs = {
        "sigmoid": lambda: layers.Activation("sigmoid")(single),
        "logit": lambda: single,
        "softmax": lambda: layers.Softmax()(double),
        "softmax inside": lambda: layers.AveragePooling2D(1)(layers.Softmax()(double)),
        "two outputs": lambda: [layers.AveragePooling2D(4)(double), double],
    }[head]()
    return keras.Model(images, outputs)


def measured(file, folder, out, *options):
    succeeded("evaluate", file, folder, "--json", out, *options)
    return json.loads(out.read_text())["quality"]["mean_iou"]


@pytest.mark.parametrize("head", HEADS)
def test_a_head_gives_the_same_quality_everywhere(tmp_path, folder, head):
    model = tmp_path / "m.keras"
    model_of(head).save(model)
    wanted = pytest.approx(expected_miou(), abs=1e-3)
    reads = ("--input-range", "0-255")
    assert measured(model, folder, tmp_path / "k.json", *reads) == wanted
    for name in ("m.tflite", "m.onnx"):
        out = tmp_path / name
        succeeded("export", model, "--out", out, "--data", folder, *reads)
        assert measured(out, folder, tmp_path / "f.json") == wanted
    succeeded("predict", tmp_path / "m.tflite", folder / "test" / "images" / "6.png",
              "--out", tmp_path / "out")  # fmt: skip
    found = np.asarray(Image.open(tmp_path / "out" / "6.png"))
    np.testing.assert_array_equal(found, picture(6)[..., 0] > LEVEL)


# Rounding to 256 levels moves the border between the classes by a grey level.
INT8_TOLERANCE = 0.01


@pytest.mark.parametrize("name", ["m.tflite", "m.onnx"])
@pytest.mark.parametrize("head", HEADS)
def test_logits_are_quantized_and_not_the_softmax(tmp_path, folder, head, name):
    model, out = tmp_path / "m.keras", tmp_path / name
    model_of(head).save(model)
    succeeded(
        "export", model, "--out", out, "--data", folder, "--quantize", "int8",
        "--qat-epochs", 0, "--input-range", "0-255",
    )  # fmt: skip
    found = measured(out, folder, tmp_path / "f.json")
    assert found == pytest.approx(expected_miou(), abs=INT8_TOLERANCE)
    logits = load_artifact(out).predict(picture(6)[None])
    assert np.isfinite(logits).all() and np.ptp(logits) > 10
    if head != "softmax inside":
        assert not {"SOFTMAX", "LOGISTIC", "SIGMOID"} & operations_of(out)


def operations_of(file):
    """Names of the operations in a file, in capitals."""
    if file.suffix == ".onnx":
        onnx = pytest.importorskip("onnx")
        return {node.op_type.upper() for node in onnx.load(file).graph.node}
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    opened = interpreter.Interpreter(model_content=file.read_bytes())
    return {each["op_name"] for each in opened._get_ops_details()}


@pytest.mark.parametrize("of", ["0-1", "caffe"])
def test_another_range_is_asked_for_and_put_into_the_file(tmp_path, folder, of):
    plain = model_of("logit")
    # The model that takes `of`: its first layer undoes the range.
    images = keras.Input((SIDE_PX, SIDE_PX, 3))
    undone = {
        "0-1": conv(255 * np.eye(3), np.zeros(3)),
        "caffe": conv(np.eye(3)[::-1], [123.68, 116.779, 103.939]),
    }[of]
    given = keras.Model(images, plain(undone(images)))
    np.testing.assert_allclose(
        with_input_range(given, of).predict_on_batch(picture(6)[None].astype("f4")),
        plain.predict_on_batch(picture(6)[None].astype("f4")),
        atol=1e-2,
    )
    file, out = tmp_path / "m.keras", tmp_path / "m.tflite"
    given.save(file)
    if of == "0-1":
        message = refused("export", file, "--out", out, "--data", folder)
        assert "give --input-range 0-1" in message and not out.exists()
        assert "give --input-range 0-1" in refused("evaluate", file, folder)
    succeeded("export", file, "--out", out, "--data", folder, "--input-range", of)
    wanted = pytest.approx(expected_miou(), abs=1e-3)
    assert measured(out, folder, tmp_path / "f.json") == wanted
    options = ("--input-range", of)
    assert measured(file, folder, tmp_path / "k.json", *options) == wanted


def test_a_teacher_of_hdf5_with_one_channel_teaches(tmp_path, folder):
    file = tmp_path / "t.h5"
    model_of("sigmoid").save(file)
    options = [
        f"teacher.file={file}", "teacher.input_range=0-255", f"data.tile_px={SIDE_PX}",
        "student.kind=compact", "student.model.width=8",
        "student.training.epochs=1", "student.training.tiles_per_epoch=8",
        "measuring.samples=1", "measuring.rounds=3", "export.onnx=false",
        "export.calibration_tiles=8",
    ]  # fmt: skip
    settings = [x for option in options for x in ("--set", option)]
    succeeded("compress", folder, "--out", tmp_path / "run", *settings)
    teacher = load_model(tmp_path / "run" / "teacher" / "model.keras")
    assert teacher.output_shape[-1] == 2


def test_benchmark_and_distill_take_a_head_and_a_range(tmp_path, folder):
    """Two outputs of the image's size, of a model of images 0-1."""
    images = keras.Input((SIDE_PX, SIDE_PX, 3))
    undone = conv(255 * np.eye(3), np.zeros(3))(images)
    wrong = conv(-np.array(reds.RED_OR_NOT), [0.0, 0.0], name="wrong")(undone)
    right = layers.Identity(name="right")(two_classes()(undone))
    file, student = tmp_path / "m.keras", tmp_path / "s.keras"
    keras.Model(images, [wrong, right]).save(file)
    how = ("--head", "right", "--input-range", "0-1")
    fast = ("--rounds", 3, "--threads", 1, "--data", folder)
    assert "Name one with --head" in refused("benchmark", file, *fast)
    assert "give --input-range 0-1" in refused("benchmark", file, *fast, *how[:2])
    out = tmp_path / "b.json"
    succeeded("benchmark", file, *fast, *how, "--json", out)
    (record,) = json.loads(out.read_text())["files"]
    wanted = pytest.approx(expected_miou(), abs=1e-3)
    assert record["quality"]["mean_iou"] == wanted
    assert record["memory"]["peak_bytes"] > 0

    model_of("logit").save(student)
    settings = (
        f"data.tile_px={SIDE_PX}", "student.training.epochs=1",
        "student.training.tiles_per_epoch=8",
    )  # fmt: skip
    options = [x for setting in settings for x in ("--set", setting)]
    run = tmp_path / "run"
    arguments = (folder, "--teacher", file, "--student", student, "--out", run)
    assert "Name one with --head" in refused("distill", *arguments, *options)
    succeeded("distill", *arguments, *options, *how)
    recipe = (run / "recipe.yaml").read_text()
    assert "head: right" in recipe and "input_range: 0-1" in recipe


def test_a_head_without_a_keras_model_is_refused(tmp_path):
    message = refused("benchmark", tmp_path / "m.tflite", "--head", "1")
    assert "--head has no effect without a Keras model or a SavedModel" in message
