"""SavedModel folders, as Keras and TensorFlow write them."""

import sys

import keras
import numpy as np
import pytest

from segshrink.errors import MissingExtraError, ModelError
from segshrink.measuring import measure_size
from segshrink.models import load_model
from segshrink.records import model_files, model_sha256
from segshrink.runtimes import load_artifact
from segshrink.runtimes.outputs import OutputKind

tf = pytest.importorskip("tensorflow")


def images(size=8):
    return np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)


class Module(tf.Module):
    """A model of TensorFlow alone, whose classes are sums of bands."""

    def __init__(self, shape=(None, 8, 8, 3), dtype=tf.float32):
        super().__init__()
        self.kernel = tf.Variable(np.arange(6).reshape(3, 2) - 2.0, dtype=tf.float32)
        spec = [tf.TensorSpec(shape, dtype, name="pixels")]
        self.serve = tf.function(self._serve, input_signature=spec)

    def _serve(self, pixels):
        logits = tf.cast(pixels, tf.float32) @ self.kernel
        return {"logits": logits, "probabilities": tf.nn.softmax(logits / 255)}


def saved(folder, module):
    tf.saved_model.save(module, str(folder), signatures=module.serve)
    return folder


def expected(pixels):
    return pixels.astype("float32") @ (np.arange(6).reshape(3, 2) - 2.0)


def test_one_of_several_outputs_is_chosen(tmp_path):
    folder = saved(tmp_path / "m", Module())
    for head in ("logits", "0"):
        found = load_artifact(folder, head=head).predict(images())
        np.testing.assert_allclose(found, expected(images()), rtol=1e-5)
    with pytest.raises(
        ModelError, match=r"0 logits .*, 1 probabilities .*; which give"
    ):
        load_artifact(folder)


def test_probabilities_become_logits(tmp_path):
    artifact = load_artifact(saved(tmp_path / "m", Module()), head="probabilities")
    assert artifact.signature.output is OutputKind.SOFTMAX
    logits = artifact.predict(images())
    soft = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    wanted = np.exp(expected(images()) / 255)
    np.testing.assert_allclose(soft, wanted / wanted.sum(-1, keepdims=True), rtol=1e-4)


def test_a_folder_counts_with_all_its_files(tmp_path):
    folder = saved(tmp_path / "m", Module())
    files = model_files(folder)
    assert {"saved_model.pb", "variables.index"} <= {file.name for file in files}
    assert measure_size(folder).size_bytes == sum(x.stat().st_size for x in files)
    before = model_sha256(folder)
    (folder / "variables" / "variables.index").write_bytes(b"other")
    assert model_sha256(folder) != before


def test_an_open_size_is_predicted_in_windows(tmp_path):
    folder = saved(tmp_path / "m", Module((None, None, None, 3)))
    artifact = load_artifact(folder, head="logits")
    assert artifact.signature.is_window and artifact.input_shape == (256, 256)
    found = artifact.predict(images(256))
    np.testing.assert_allclose(found, expected(images(256)), rtol=1e-5)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (
            Module((None, 8, 8, 3), tf.uint8),
            "one float32 input .* 1 of type uint8",
        ),
        (Module((None, 3)), "one image 0-255 of fixed size"),
    ],
)
def test_other_forms_are_refused(tmp_path, module, message):
    folder = saved(tmp_path / "m", module)
    with pytest.raises(ModelError, match=message):
        load_artifact(folder, head="logits")


def test_a_folder_without_signatures_is_refused(tmp_path):
    module = tf.Module()
    module.kernel = tf.Variable(1.0)
    tf.saved_model.save(module, str(tmp_path / "m"))
    with pytest.raises(ModelError, match="has the signatures none"):
        load_artifact(tmp_path / "m")


def test_a_missing_tensorflow_names_its_extra(tmp_path, monkeypatch):
    folder = saved(tmp_path / "m", Module())
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingExtraError, match=r"'segshrink\[tensorflow\]'"):
        load_artifact(folder)


def test_what_needs_layers_of_keras_says_so(tmp_path):
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(image))
    model.export(tmp_path / "m", format="tf_saved_model", verbose=False)
    with pytest.raises(ModelError, match="SavedModel holds no layers of Keras"):
        load_model(tmp_path / "m")
    (tmp_path / "m.onnx").touch()
    with pytest.raises(ModelError, match="ONNX holds no layers of Keras, .* and teach"):
        load_model(tmp_path / "m.onnx")
