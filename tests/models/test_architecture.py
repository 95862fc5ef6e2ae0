"""Weights in files without their model, and the Python files that build it."""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.errors import ModelError
from segshrink.models import load_model, save_model

from .keras2.files import named, write

BUILD = """
import keras
from keras import layers

def block(x, filters):
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    return layers.BatchNormalization()(x)

def build(classes=2):
    image = keras.Input((8, 8, 3))
    inner = keras.Input((8, 8, 3))
    encoder = keras.Model(inner, block(inner, {filters}), name="encoder")
    x = layers.Dropout(0.1, seed=1)(layers.RandomFlip()(encoder(image)))
    {more}
    return keras.Model(image, layers.Conv2D(classes, 1, name="logits")(x))
"""
MISFIT = "Take the architecture that the weights were saved from."


def written(path, filters=4, more="pass"):
    path.write_text(BUILD.format(filters=filters, more=more))
    return path


@pytest.fixture
def architecture(tmp_path):
    return written(tmp_path / "model.py")


@pytest.fixture
def model(architecture):
    scope = {}
    exec(architecture.read_text(), scope)
    model = scope["build"]()
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.5, 1, w.shape) for w in model.get_weights()])
    return model


def images():
    return np.random.default_rng(1).uniform(0, 255, (2, 8, 8, 3)).astype("float32")


def outputs(model):
    return model.predict(images(), verbose=0)


def refusal(path, architecture):
    with pytest.raises(ModelError) as caught:
        load_model(path, architecture=architecture)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["m.weights.h5", "m.keras", "m.h5", "old.h5"])
def test_weights_of_any_file(tmp_path, model, architecture, name):
    path = tmp_path / name
    if name == "m.weights.h5":
        model.compile("adam", "mse")
        model.fit(images(), outputs(model), epochs=1, verbose=0)
        model.save_weights(path)  # with the state of its optimizer
    elif name == "old.h5":
        import h5py
        from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

        with h5py.File(path, "w") as file:
            save_weights_to_hdf5_group(file, model)
    else:
        model.save(path)
    found = load_model(path, architecture=architecture)
    np.testing.assert_array_equal(outputs(found), outputs(model))
    if name in ("m.weights.h5", "old.h5"):
        with pytest.raises(ModelError, match="only the weights.*--architecture M"):
            load_model(path)
    assert not list(tmp_path.glob("__pycache__"))


@pytest.mark.parametrize("names", ["equal", "others"])
def test_layers_of_keras_2_are_found_by_name_or_else_in_order(tmp_path, names):
    (tmp_path / "model.py").write_text(
        "import keras\nfrom keras import layers as L\n"
        "def build():\n"
        "    i = keras.Input((8, 8, 3))\n"
        "    x = L.Conv2D(3, 1, name='enc_b')(i)\n"
        "    return keras.Model(i, L.Conv2D(3, 1, name='enc_a')(x))\n"
    )
    first, second = ("enc/b", "enc/a") if names == "equal" else ("conv", "conv_1")
    parts = {
        name: named(name, ("kernel", "bias"), (1, 1, 3, 3), (3,), seed=seed)
        for name, seed in ((first, 1), (second, 2))
    }
    # Where names are equal, the order in the file does not count.
    listed = dict(reversed(parts.items())) if names == "equal" else parts
    path = write(tmp_path / "w.hdf5", None, listed)
    found = load_model(path, architecture=tmp_path / "model.py")
    expected = images()
    for weights in parts.values():
        expected = expected @ weights[0][1][0, 0] + weights[1][1]
    np.testing.assert_allclose(outputs(found), expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["m.weights.h5", "m.keras", "m.h5"])
@pytest.mark.parametrize(
    ("filters", "more"),
    [
        (6, "pass"),
        (4, "x = layers.Conv2D(4, 1, name='extra')(x)"),
        (4, "x = layers.BatchNormalization(name='last')(x)"),
    ],
)
def test_weights_that_do_not_fit(tmp_path, model, name, filters, more):
    path = tmp_path / name
    model.save_weights(path) if "weights" in name else model.save(path)
    other = written(tmp_path / "other.py", filters, more)
    message = refusal(path, other)
    assert message.startswith(f"{path}: ") and message.endswith(MISFIT)
    if filters == 6:
        assert "(3, 3, 3, 6)" in message and "(3, 3, 3, 4)" in message
        assert "layer " in message and "conv2d" in message


def test_layers_that_are_lacking(tmp_path, model):
    model.save_weights(tmp_path / "m.weights.h5")
    fewer = written(tmp_path / "fewer.py")
    fewer.write_text(fewer.read_text().replace("layers.BatchNormalization()(x)", "x"))
    message = refusal(tmp_path / "m.weights.h5", fewer)
    assert "holds 134 weights, but build() makes a model of 118" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "has no function build()"),
        ("build = 3", "has no function build()"),
        ("def build(num_classes): pass", "without arguments, but it needs num_classes"),
        ("def build(): return 3", "must return a Functional or Sequential model"),
        ("def build(): return 1 / 0", "line 1: ZeroDivisionError: division by zero"),
        ("import math\nmath.gone", "line 2: AttributeError:"),
        ("def build(:", "line 1: SyntaxError"),
        ("raise SystemExit(3)", "line 1: SystemExit: 3"),
        (
            "import keras\ndef build(): return keras.Sequential([keras.layers.ReLU()])",
            "starts with keras.Input(shape), got Sequential",
        ),
    ],
)
def test_faults_of_the_python_file(tmp_path, model, text, message):
    model.save_weights(tmp_path / "m.weights.h5")
    path = tmp_path / "theirs.py"
    path.write_text(text)
    found = refusal(tmp_path / "m.weights.h5", path)
    assert found.startswith(f"{path}: ") and message in found


def test_what_is_no_python_file(tmp_path, model):
    model.save_weights(tmp_path / "m.weights.h5")
    message = refusal(tmp_path / "m.weights.h5", tmp_path / "none.py")
    assert "none.py: no such file. --architecture takes a .py file" in message
    message = refusal(tmp_path / "m.weights.h5", tmp_path / "m.weights.h5")
    assert "is no Python file" in message


def test_modules_beside_it_can_be_imported(tmp_path, model, architecture):
    model.save_weights(tmp_path / "m.weights.h5")
    architecture.rename(tmp_path / "their_blocks.py")
    (tmp_path / "main.py").write_text("from their_blocks import build")
    found = load_model(tmp_path / "m.weights.h5", architecture=tmp_path / "main.py")
    np.testing.assert_array_equal(outputs(found), outputs(model))


def test_a_lambda_layer_runs_but_is_not_saved(tmp_path):
    text = (
        "import keras\ndef build():\n    i = keras.Input((8, 8, 3))\n"
        "    x = keras.layers.Lambda(lambda x: x / 2, name='half')(i)\n"
        "    return keras.Model(i, keras.layers.Conv2D(2, 1, name='c')(x))\n"
    )
    (tmp_path / "model.py").write_text(text)
    weights = named("c", ("kernel", "bias"), (1, 1, 3, 2), (2,))
    path = write(tmp_path / "w.h5", None, {"c": weights})
    model = load_model(path, architecture=tmp_path / "model.py")
    expected = images() / 2 @ weights[0][1][0, 0] + weights[1][1]
    np.testing.assert_allclose(outputs(model), expected, rtol=1e-4)
    with pytest.raises(ModelError, match="layer 'half' .Lambda. is Python code"):
        save_model(model, tmp_path / "m.keras")


def test_what_is_built_is_saved_as_a_plain_model(tmp_path, model, architecture):
    model.save_weights(tmp_path / "m.weights.h5")
    found = load_model(tmp_path / "m.weights.h5", architecture=architecture)
    save_model(found, tmp_path / "plain.keras")
    again = keras.saving.load_model(tmp_path / "plain.keras")
    np.testing.assert_array_equal(outputs(again), outputs(model))
    assert isinstance(again.layers[-1], layers.Conv2D)
