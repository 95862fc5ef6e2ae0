"""Exported files against the models that they were made from."""

import warnings

import keras
import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter

from export.tiny_models import blotchy_images, tiny_unet
from segshrink.errors import ExportError, MissingExtraError, ModelError, UsageError
from segshrink.export import export_model
from segshrink.formats import EXPORTED
from segshrink.runtimes import load_artifact


@pytest.fixture(scope="module")
def model():
    return tiny_unet()


@pytest.fixture(scope="module")
def images():
    return blotchy_images(16)


@pytest.fixture(scope="module")
def files(model, images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    return {
        "litert": export_model(model, folder / "m.tflite"),
        "onnx": export_model(model, folder / "m.onnx", format="onnx"),
        "int8": export_model(
            model, folder / "q.tflite", quantize="int8", calibration=images
        ),
    }


def operations_of(litert_file):
    interpreter = Interpreter(str(litert_file))
    return [operation["op_name"] for operation in interpreter._get_ops_details()]


def logits_of(model, images):
    return model.predict_on_batch(images.astype(np.float32))


@pytest.mark.parametrize("name", ["litert", "onnx"])
def test_float_file_computes_what_the_model_computes(name, files, model, images):
    logits = load_artifact(files[name]).predict(images)
    np.testing.assert_allclose(logits, logits_of(model, images), atol=1e-5)


@pytest.mark.parametrize("output", ["logits", "probabilities"])
def test_a_softmax_at_the_end_is_not_taken_twice(tmp_path, model, images, output):
    ended = keras.Model(model.input, keras.layers.Softmax()(model.output))
    file = export_model(ended, tmp_path / "m.tflite", output=output)
    artifact = load_artifact(file)
    expected = logits_of(model, images)
    if output == "probabilities":
        expected = logits_of(ended, images)
    found = [artifact.run(image[None].astype(np.float32))[0] for image in images]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_list_of_images_calibrates_too(tmp_path, model, images):
    one, other = tmp_path / "one.tflite", tmp_path / "other.tflite"
    export_model(model, one, quantize="int8", calibration=images[:2])
    export_model(model, other, quantize="int8", calibration=list(images[:2]))
    found = [load_artifact(file).predict(images) for file in (one, other)]
    np.testing.assert_array_equal(*found)


def test_a_model_without_inputs_is_refused(tmp_path):
    unbuilt = keras.Sequential([keras.layers.Conv2D(3, 1)])
    with pytest.raises(ModelError, match="must be Functional or Sequential, and built"):
        export_model(unbuilt, tmp_path / "m.tflite")


def test_int8_file_stays_within_a_few_steps_of_the_model(files, model):
    fresh = blotchy_images(8, seed=9)
    expected = logits_of(model, fresh)
    error = np.abs(load_artifact(files["int8"]).predict(fresh) - expected)
    assert error.max() > 0
    assert error.mean() < 0.02 * expected.std()


def test_int8_computes_no_operation_in_float(files):
    tensors = Interpreter(str(files["int8"])).get_tensor_details()
    in_float = [tensor for tensor in tensors if tensor["dtype"] == np.float32]
    assert len(in_float) == 2  # the input and the output of the file
    assert operations_of(files["int8"]).count("DEQUANTIZE") == 1


def test_int8_weights_have_one_scale_per_output_channel(files):
    tensors = Interpreter(str(files["int8"])).get_tensor_details()
    scales = {
        tuple(tensor["shape"]): len(tensor["quantization_parameters"]["scales"])
        for tensor in tensors
    }
    assert scales[8, 3, 3, 3] == 8
    assert scales[16, 3, 3, 8] == 16


def test_bilinear_upsampling_is_quantized_too(tmp_path, images):
    model = tiny_unet(upsampling="bilinear")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = export_model(
            model, tmp_path / "q.tflite", quantize="int8", calibration=images
        )
    assert "RESIZE_BILINEAR" in operations_of(path)


def test_operations_that_stay_float_are_named(tmp_path, images):
    model = tiny_unet(activation="leaky_relu")
    with pytest.warns(UserWarning, match=r"stay float32 in the file: LEAKY_RELU \(3\)"):
        export_model(model, tmp_path / "q.tflite", quantize="int8", calibration=images)


def test_batch_normalization_and_dropout_are_folded_away(files):
    # The two others are Rescaling's.
    assert sorted(set(operations_of(files["litert"]))) == [
        "ADD",
        "CONCATENATION",
        "CONV_2D",
        "MAX_POOL_2D",
        "MUL",
        "TRANSPOSE_CONV",
    ]
    counts = {
        name: operations_of(files["litert"]).count(name) for name in "ADD MUL".split()
    }
    assert counts == {"ADD": 1, "MUL": 1}


def test_onnx_transposes_at_its_ends_only(files):
    nodes = [node.op_type for node in onnx.load(files["onnx"]).graph.node]
    assert nodes.count("Transpose") == 2
    assert "BatchNormalization" not in nodes
    assert nodes[-1] == "Transpose"


def test_mixed_precision_model_is_exported_in_float32(tmp_path, images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = tiny_unet()
    finally:
        keras.config.set_dtype_policy("float32")
    path = export_model(mixed, tmp_path / "m.tflite")
    assert "CAST" not in operations_of(path)
    # The same seed, hence the same weights, in float32.
    np.testing.assert_allclose(
        load_artifact(path).predict(images), logits_of(tiny_unet(), images), atol=1e-5
    )


def test_nothing_is_written_to_the_terminal(tmp_path, model, images, capfd):
    export_model(model, tmp_path / "q.tflite", quantize="int8", calibration=images)
    export_model(model, tmp_path / "m.onnx", format="onnx")
    assert capfd.readouterr() == ("", "")


def test_failed_export_leaves_the_old_file(tmp_path, images):
    path = tmp_path / "m.tflite"
    path.write_text("old")
    image = keras.Input((32, 32, 3))
    # Random numbers in inference have no LiteRT operation.
    odd = keras.Model(image, keras.ops.erfinv(image / 300), name="odd")
    with pytest.raises(Exception, match="model odd: LiteRT cannot express it"):
        export_model(odd, path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["m.tflite"]


WRONG = {
    "unknown format": (
        {"format": "tf"},
        f"format must be one of {', '.join(EXPORTED)}, got 'tf'",
    ),
    "unknown quantize": (
        {"quantize": "int4"},
        "quantize must be one of None, 'float16', 'dynamic', 'int8', 'full_int8' for "
        "litert files, got 'int4'",
    ),
    "idle calibration": (
        {"calibration": np.zeros((1, 32, 32, 3), np.uint8)},
        "calibration images have no effect on a float32 file",
    ),
    "int8 without calibration": (
        {"quantize": "int8"},
        r"needs calibration images: uint8 \(images, 32, 32, 3\)",
    ),
    "empty calibration": (
        {"quantize": "int8", "calibration": np.zeros((0, 32, 32, 3), np.uint8)},
        r"at least one image, got uint8 \(0, 32, 32, 3\)",
    ),
    "float calibration": (
        {"quantize": "int8", "calibration": np.zeros((1, 32, 32, 3))},
        r"got float64 \(1, 32, 32, 3\)",
    ),
    "wrong size": (
        {"quantize": "int8", "calibration": np.zeros((1, 64, 64, 3), np.uint8)},
        r"must be uint8 \(images, 32, 32, 3\).*got uint8 \(1, 64, 64, 3\)",
    ),
    "dynamic onnx": (
        {"format": "onnx", "quantize": "dynamic"},
        "quantize must be one of None, 'int8' for onnx files, got 'dynamic'",
    ),
    "calibrated float16": (
        {"quantize": "float16", "calibration": np.zeros((1, 32, 32, 3), np.uint8)},
        "calibration images have no effect on a float16 file",
    ),
    "suffix": (
        {"format": "onnx"},
        "a file in onnx format must end in .onnx",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_arguments_are_refused(arguments, message, model, tmp_path):
    with pytest.raises(UsageError, match=message):
        export_model(model, tmp_path / "m.tflite", **arguments)
    assert not list(tmp_path.iterdir())


def one_layer(shape, layer):
    image = keras.Input(shape)
    return keras.Model(image, layer(image), name="one")


@pytest.mark.parametrize(
    ("shape", "layer", "message"),
    [
        ((None, None, 3), keras.layers.Conv2D(2, 1), r"must be \(batch, height, width"),
        ((32, 4), keras.layers.Conv1D(2, 1), r"got \(None, 32, 4\)"),
        (
            (32, 32, 3),
            keras.layers.MaxPooling2D(),
            r"must be logits \(batch, 32, 32, c",
        ),
        ((32, 32, 3), keras.layers.Flatten(), r"got \(None, 3072\)"),
    ],
)
def test_models_of_another_form_are_refused(shape, layer, message, tmp_path):
    with pytest.raises(ModelError, match=message):
        export_model(one_layer(shape, layer), tmp_path / "m.tflite")


def test_missing_package_names_its_extra(monkeypatch, model, tmp_path):
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "tf2onnx" else 1
    )
    with pytest.raises(MissingExtraError, match=r"pip install 'segshrink\[onnx\]'"):
        export_model(model, tmp_path / "m.onnx", format="onnx")


def adapted():
    layer = keras.layers.Normalization()
    layer.adapt(np.random.default_rng(0).normal(2, 3, (4, 32, 32, 8)))
    return layer


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Conv2D(16, 3, strides=2, padding="same", groups=8),
        keras.layers.Conv2D(8, 3, padding="valid", groups=2, dilation_rate=2),
        keras.layers.Normalization(mean=[1.0] * 8, variance=[4.0] * 8),
        adapted(),
        keras.layers.Conv2D(8, 1, activation="gelu"),
        keras.layers.Activation("gelu"),
    ],
    ids=["depthwise", "grouped", "given", "adapted", "gelu", "activation"],
)
def test_layers_that_the_onnx_converter_cannot_follow(layer, tmp_path):
    image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    x = keras.layers.Resizing(32, 32)(layer(x))
    model = keras.Model(image, keras.layers.Conv2D(3, 1)(x))
    images = blotchy_images(2)
    before = [weight.numpy() for weight in model.weights]
    found = load_artifact(export_model(model, tmp_path / "m.onnx", format="onnx"))
    expected = logits_of(model, images)
    np.testing.assert_allclose(
        found.predict(images), expected, atol=1e-5 * np.abs(expected).max()
    )
    for weight, values in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), values)


def test_a_file_that_no_runtime_takes_is_refused(tmp_path):
    """The converter fuses the sum of two biased convolutions of one pixel wrongly."""
    image = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D(keepdims=True)(image)
    branches = [
        keras.layers.Conv2D(4, 1, bias_initializer="ones", name=name)(x)
        for name in ("one", "other")
    ]
    x = keras.layers.UpSampling2D(8)(keras.layers.Add()(branches))
    model = keras.Model(image, x)
    with pytest.raises(ExportError, match="ONNX cannot express it"):
        export_model(model, tmp_path / "m.onnx", format="onnx")
    assert list(tmp_path.iterdir()) == []
