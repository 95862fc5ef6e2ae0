import json
import os
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.errors import ModelError, UsageError
from segshrink.models import load_model, save_model


def tiny_model(seed=0):
    keras.utils.set_random_seed(seed)
    image = keras.Input((8, 8, 3), name="images")
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    x = layers.BatchNormalization(name="norm")(x)
    return keras.Model(image, layers.Conv2D(2, 1, name="logits")(x), name="tiny")


def refusal(path):
    with pytest.raises(ModelError) as caught:
        load_model(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_a_missing_file(tmp_path):
    assert "no such file" in refusal(tmp_path / "none.keras")


def test_a_folder(tmp_path):
    assert "a folder" in refusal(tmp_path)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_garbage(tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"no model at all")
    assert "not a Keras model; it may have been cut short" in refusal(path)
    path.write_bytes(b"")
    assert "not a Keras model" in refusal(path)


def test_another_kind_of_file(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"TFL3")
    assert "LiteRT holds no layers of Keras, which are needed here" in refusal(path)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
def test_a_file_of_pytorch(tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"PK")
    message = refusal(path)
    assert f"must be a .keras, .h5 or .hdf5 file, got '{suffix}'" in message
    assert "torch.onnx.export(model, torch.zeros(1, 3, HEIGHT, WIDTH)" in message


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_file_cut_short(tmp_path, suffix):
    whole, cut = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    tiny_model().save(whole)
    content = whole.read_bytes()
    cut.write_bytes(content[: len(content) // 2])
    assert "again" in refusal(cut)


def test_an_archive_of_something_else(tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("holiday.txt", "sun")
    assert "an archive without metadata.json and config.json" in refusal(path)


def test_weights_that_do_not_fit_the_configuration(tmp_path):
    path = tmp_path / "model.keras"
    save_model(tiny_model(), path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["model.weights.h5"] = members["model.weights.h5"][:4000]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert "cannot be read as a Keras model" in refusal(path)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_in_a_file_is_refused_and_does_not_run(tmp_path, suffix):
    trace = tmp_path / "ran"
    path = tmp_path / f"model{suffix}"
    image = keras.Input((8, 8, 3))
    double = layers.Lambda(lambda x, where=str(trace): (open(where, "a").close(), x)[1])
    keras.Model(image, double(image)).save(path)
    trace.unlink(missing_ok=True)
    assert "holds a Lambda layer, which is Python code" in refusal(path)
    assert not trace.exists()


class Unknown(layers.Layer):
    def call(self, inputs):
        return inputs


def unknown_activation(inputs):
    return inputs


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_layer_that_is_not_of_keras(tmp_path, suffix):
    image = keras.Input((8, 8, 3))
    keras.Model(image, Unknown()(image)).save(tmp_path / f"model{suffix}")
    message = refusal(tmp_path / f"model{suffix}")
    assert "holds 'Unknown', which is not part of Keras" in message


def test_a_function_that_is_not_of_keras(tmp_path):
    image = keras.Input((8, 8, 3))
    activated = layers.Dense(2, activation=unknown_activation)(image)
    keras.Model(image, activated).save(tmp_path / "model.keras")
    assert "holds 'unknown_activation'" in refusal(tmp_path / "model.keras")


def test_older_files_are_read(tmp_path):
    model = tiny_model()
    model.save(tmp_path / "model.h5")
    for old, new in zip(
        model.get_weights(),
        load_model(tmp_path / "model.h5").get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(old, new)


def test_training_state_stays_behind(tmp_path):
    model = tiny_model()
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(np.ones((2, 8, 8, 3)), np.ones((2, 6, 6, 2)), verbose=0)
    save_model(model, tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert not loaded.compiled
    for old, new in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    model.save(tmp_path / "with_optimizer.keras")
    sizes = [
        (tmp_path / name).stat().st_size
        for name in ("model.keras", "with_optimizer.keras")
    ]
    assert sizes[0] < sizes[1]
    assert model.compiled and model.optimizer.iterations.numpy() == 1


def test_the_output_keeps_its_structure(tmp_path):
    save_model(tiny_model(), tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert loaded.name == "tiny"
    assert loaded(np.zeros((1, 8, 8, 3))).shape == (1, 6, 6, 2)


def test_a_sequential_model_can_be_saved(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    save_model(model, tmp_path / "model.keras")
    assert load_model(tmp_path / "model.keras").output_shape == (None, 2)


SAVE_THE_SAME_MODEL = """
import sys
sys.path.insert(0, sys.argv[1])
from test_loading import tiny_model
from segshrink.models import save_model
save_model(tiny_model(), sys.argv[2])
"""


def test_equal_models_give_equal_bytes(tmp_path):
    first, again, other = (tmp_path / f"{name}.keras" for name in "abc")
    save_model(tiny_model(), first)
    save_model(load_model(first), again)
    assert again.read_bytes() == first.read_bytes()
    subprocess.run(
        [
            sys.executable,
            "-c",
            SAVE_THE_SAME_MODEL,
            os.path.dirname(__file__),
            str(other),
        ],
        check=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert other.read_bytes() == first.read_bytes()
    save_model(tiny_model(seed=1), other)
    assert other.read_bytes() != first.read_bytes()


def test_the_version_of_keras_is_kept(tmp_path):
    save_model(tiny_model(), tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        metadata = json.loads(archive.read("metadata.json"))
    assert metadata == {"keras_version": keras.__version__}


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    save_model(tiny_model(), path)
    before = path.read_bytes()

    def fail(self, partial):
        partial.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(keras.Model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(tiny_model(seed=1), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]


def test_a_model_is_saved_as_keras(tmp_path):
    with pytest.raises(UsageError, match="is saved as .keras, got '.h5'"):
        save_model(tiny_model(), tmp_path / "model.h5")
