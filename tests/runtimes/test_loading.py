"""Which runtime opens which file."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from segshrink.errors import MissingExtraError, ModelError, UsageError
from segshrink.export import export_model
from segshrink.formats import Format, listed_suffixes
from segshrink.runtimes import load_artifact


@pytest.fixture(scope="module")
def litert_file(tmp_path_factory):
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(image))
    return export_model(model, tmp_path_factory.mktemp("files") / "m.tflite")


def test_unknown_suffix_lists_the_known(tmp_path):
    known = listed_suffixes(Format)
    with pytest.raises(ModelError, match=rf"must be one of {known}, got .pb.* folder"):
        load_artifact(tmp_path / "model.pb")


def test_threads_are_those_asked_for(litert_file):
    assert load_artifact(litert_file, threads=2).threads == 2
    with pytest.raises(UsageError, match="threads must be at least 1, got 0"):
        load_artifact(litert_file, threads=0)


@pytest.mark.parametrize(
    ("package", "suffix", "extra"),
    [
        ("ai_edge_litert.interpreter", ".tflite", "litert"),
        ("onnxruntime", ".onnx", "onnx"),
    ],
)
def test_missing_runtime_names_its_extra(package, suffix, extra, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / f"m{suffix}").touch()
    with pytest.raises(MissingExtraError, match=rf"'segshrink\[{extra}\]'"):
        load_artifact(tmp_path / f"m{suffix}")


def test_running_a_file_does_not_wait_for_keras(litert_file):
    code = (
        "import sys; from segshrink.runtimes import load_artifact; "
        f"load_artifact({str(litert_file)!r}); "
        "sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("shape", "layers", "message"),
    [
        (
            (40, 40, 40),
            [keras.layers.Conv2D(2, 1)],
            r"\(1, height, width, bands\).*, 40\)",
        ),
        (
            (8, 8, 3),
            [keras.layers.Flatten()],
            r"\(1, 8, 8, classes\).*, got \(1, 192\)",
        ),
    ],
)
@pytest.mark.parametrize("suffix", [".keras", ".onnx"])
def test_models_of_another_form_are_refused(shape, layers, message, suffix, tmp_path):
    model = keras.Sequential([keras.Input(shape), *layers])
    path = tmp_path / f"m{suffix}"
    if suffix == ".keras":
        model.save(path)
    else:
        signature = [keras.InputSpec(shape=(1, *shape), dtype="float32", name="image")]
        model.export(path, format="onnx", input_signature=signature, verbose=False)
    with pytest.raises(ModelError, match=message):
        load_artifact(path)


def test_litert_file_of_other_integers_is_refused(tmp_path):
    import tensorflow as tf

    module = tf.Module()
    serve = tf.function(lambda image: tf.cast(image, tf.float32)).get_concrete_function(
        tf.TensorSpec((1, 8, 8, 3), tf.int32)
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([serve], module)
    path = tmp_path / "integer.tflite"
    path.write_bytes(converter.convert())
    with pytest.raises(
        ModelError,
        match="one input and one output of float32, int8 or.*type int32, float32",
    ):
        load_artifact(path)


@pytest.mark.parametrize("kind", ["quantized", "plain"])
def test_litert_files_of_uint8_are_run(kind, tmp_path):
    """As the full integer files of other tools, of which many take and give uint8."""
    import tensorflow as tf

    image = keras.Input((8, 8, 3), batch_size=1)
    layer = keras.layers.Conv2D(4, 1, kernel_initializer="orthogonal")
    scaled = keras.layers.Rescaling(1 / 64)(image)
    model = keras.Model(image, layer(scaled))
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)
    if kind == "quantized":
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [x[None].astype(np.float32)] for x in images
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    else:
        kernel, bias = layer.get_weights()
        serve = tf.function(
            lambda image: tf.cast(image, tf.float32) @ (kernel[0, 0] / 64) + bias
        ).get_concrete_function(tf.TensorSpec((1, 8, 8, 3), tf.uint8))
        converter = tf.lite.TFLiteConverter.from_concrete_functions([serve])
    path = tmp_path / "m.tflite"
    path.write_bytes(converter.convert())
    found = load_artifact(path).predict(images)
    expected = model.predict_on_batch(images.astype(np.float32))
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 0.05 * np.ptp(expected)


def test_keras_tells_the_cores_it_takes(tmp_path, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    image = keras.Input((8, 8, 3))
    keras.Model(image, keras.layers.Conv2D(2, 1)(image)).save(tmp_path / "m.keras")
    artifact = load_artifact(tmp_path / "m.keras", threads=1)
    assert artifact.threads == 3
    assert artifact.predict(np.zeros((1, 8, 8, 3))).shape == (1, 8, 8, 2)
