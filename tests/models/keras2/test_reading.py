"""Whole files of Keras 2 compute what a model of Keras 3 with their weights does."""

import json
import pickle

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from segshrink.errors import ModelError
from segshrink.models import load_model, save_model
from segshrink.pruning import plan_pruning

from .files import (
    BATCH_NORM,
    CONVOLUTION,
    conv,
    functional,
    image,
    layer,
    named,
    randoms,
    write,
)

NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def images(count=2, shape=(8, 8, 3)):
    return np.random.default_rng(1).uniform(0, 255, (count, *shape)).astype("float32")


def refusal(path):
    with pytest.raises(ModelError) as caught:
        load_model(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message and len(message) < 600
    return message


def weights_of_network():
    return {
        "enc/conv": named("enc/conv", ("kernel", "bias"), (3, 3, 3, 4), (4,)),
        "enc/norm": named("enc/norm", NORM, (4,), (4,), (4,), (4,), seed=1),
        "depthwise": named(
            "depthwise", ("depthwise_kernel", "bias"), (3, 3, 4, 1), (4,), seed=2
        ),
        "separable": named(
            "separable",
            ("depthwise_kernel", "pointwise_kernel", "bias"),
            (3, 3, 4, 1),
            (1, 1, 4, 6),
            (6,),
            seed=3,
        ),
        "up": named("up", ("kernel", "bias"), (2, 2, 5, 6), (5,), seed=4),
        "logits": named("logits", ("kernel", "bias"), (1, 1, 9, 3), (3,), seed=5),
    }


def network():
    """What people's files hold that Keras 3 does not read."""
    depthwise = {**CONVOLUTION, "kernel_size": [3, 3], "depth_multiplier": 1}
    depthwise |= {
        "depthwise_initializer": {
            "class_name": "Custom>EfficientConv2DKernelInitializer",
            "config": {},
        },
        "depthwise_regularizer": {"class_name": "TheirRegularizer", "config": {}},
    }
    for key in ("kernel_regularizer", "kernel_constraint"):
        del depthwise[key]
    separable = {**CONVOLUTION, "filters": 6, "kernel_size": [3, 3], "strides": [2, 2]}
    transposed = {**CONVOLUTION, "filters": 5, "kernel_size": [2, 2]}
    transposed |= {"strides": [2, 2], "output_padding": None}
    return functional(
        [
            image(),
            conv("enc/conv", ["images"], 4, kernel_initializer="he_normal"),
            layer("BatchNormalizationV1", "enc/norm", ["enc/conv"], **BATCH_NORM),
            layer("DepthwiseConv2D", "depthwise", ["enc/norm"], **depthwise),
            layer("SeparableConv2D", "separable", ["depthwise"], **separable),
            layer("Activation", "enc_conv", ["separable"], activation="swish"),
            layer("Conv2DTranspose", "up", ["enc_conv"], **transposed),
            layer(
                "FixedDropout", "drop", ["up"], rate=0.5, noise_shape=[None, 1, 1, 1]
            ),
            layer("Concatenate", "join", ["drop", "enc/norm"], axis=3),
            conv("logits", ["join"], 3, kernel_size=1),
        ]
    )


def same_network(weights):
    i = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="a")(i)
    skip = layers.BatchNormalization(name="b")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="c")(skip)
    x = layers.SeparableConv2D(6, 3, strides=2, padding="same", name="d")(x)
    x = layers.Conv2DTranspose(5, 2, strides=2, padding="same", name="e")(
        keras.ops.silu(x)
    )
    model = keras.Model(
        i, layers.Conv2D(3, 1, name="f")(keras.ops.concatenate([x, skip], -1))
    )
    for name, named_weights in zip("abcdef", weights.values(), strict=True):
        model.get_layer(name).set_weights([value for _, value in named_weights])
    return model


@pytest.fixture
def network_file(tmp_path):
    training = {
        "loss": "dice_of_my_own",
        "metrics": ["their_iou"],
        "optimizer_config": {"class_name": "RAdam", "config": {"lr": 1}},
    }
    path = tmp_path / "network.h5"
    return write(path, network(), weights_of_network(), training_config=training)


def test_a_network_of_keras_2_gives_the_numbers_of_keras_3(network_file):
    found, expected = load_model(network_file), same_network(weights_of_network())
    np.testing.assert_allclose(
        found.predict(images(), verbose=0),
        expected.predict(images(), verbose=0),
        rtol=1e-5,
        atol=1e-4,  # of values up to 100
    )
    assert not found.compiled


def test_it_is_pruned_and_saved_as_any_other(network_file, tmp_path):
    model = load_model(network_file)
    plan = plan_pruning(model, keep=0.5, multiple_of=1)
    smaller, zeroed = plan.apply(model), plan.zero(model)
    assert plan.parameters_after < plan.parameters_before
    expected = zeroed.predict(images(), verbose=0)
    np.testing.assert_allclose(
        smaller.predict(images(), verbose=0), expected, rtol=1e-4, atol=1e-3
    )
    save_model(smaller, tmp_path / "smaller.keras")
    again = keras.saving.load_model(tmp_path / "smaller.keras")
    np.testing.assert_array_equal(
        again.predict(images(), verbose=0), smaller.predict(images(), verbose=0)
    )


def test_slashes_leave_the_names_and_no_two_become_equal(network_file):
    names = [each.name for each in load_model(network_file).layers]
    # `enc_conv` is the name of another layer of the file.
    assert "enc_conv_1" in names and "enc_norm" in names and "enc_conv" in names


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("tells_names", [True, False])
def test_weights_of_a_nested_encoder(tmp_path, trainable, tells_names):
    frozen = {**BATCH_NORM, "trainable": False}
    encoder = functional(
        [
            image(name="in"),
            conv("c1", ["in"], 4, use_bias=False, trainable=trainable),
            layer("BatchNormalization", "n1", ["c1"], **frozen),
            conv("c2", ["n1"], 4, use_bias=False, trainable=trainable),
            layer("BatchNormalization", "n2", ["c2"], **BATCH_NORM),
        ],
        name="encoder",
        outputs=[["n1", 0, 0], ["n2", 0, 0]],
    )
    called = layer("Functional", "encoder", ["images"], {"training": False})
    called["config"] = encoder["config"]
    places = [("encoder", 1, 0), ("encoder", 1, 1)]  # its call 0 is its own
    model = functional(
        [image(), called, layer("Add", "sum", places), conv("logits", ["sum"], 2)]
    )
    c1, c2 = randoms((3, 3, 3, 4), (3, 3, 4, 4))
    n1, n2 = (randoms((4,), (4,), (4,), (4,), seed=each) for each in (5, 6))
    # Keras 2 lists what is trained first.
    trained = [("c1/kernel:0", c1), ("c2/kernel:0", c2)]
    gamma, beta = (("n2/gamma:0", n2[0]), ("n2/beta:0", n2[1]))
    of_n1 = [(f"n1/{name}:0", value) for name, value in zip(NORM, n1, strict=True)]
    moving = [("n2/moving_mean:0", n2[2]), ("n2/moving_variance:0", n2[3])]
    if trainable:
        listed = [*trained, gamma, beta, *of_n1, *moving]
    else:
        listed = [gamma, beta, trained[0], *of_n1, trained[1], *moving]
    if not tells_names:
        listed = [
            (f"block/w{number}:0", value) for number, (_, value) in enumerate(listed)
        ]
    head = named("logits", ("kernel", "bias"), (3, 3, 4, 2), (2,), seed=9)
    path = write(tmp_path / "m.h5", model, {"encoder": listed, "logits": head})

    i = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="c1")(i)
    a = layers.BatchNormalization(name="n1")(x)
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="c2")(a)
    b = layers.BatchNormalization(name="n2")(x)
    same = keras.Model(i, layers.Conv2D(2, 3, padding="same", name="logits")(a + b))
    for name, values in (("c1", [c1]), ("n1", n1), ("c2", [c2]), ("n2", n2)):
        same.get_layer(name).set_weights(values)
    same.get_layer("logits").set_weights([value for _, value in head])
    found = load_model(path).predict(images(), verbose=0)
    expected = same.predict(images(), verbose=0)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("form", ["with input", "without input", "a list"])
def test_sequential_models(tmp_path, form):
    first = {**CONVOLUTION, "filters": 2, "kernel_size": [1, 1], "name": "c"}
    first["batch_input_shape"] = [None, 8, 8, 3]
    entries = [{"class_name": "Conv2D", "config": first}]
    entries.append({"class_name": "ReLU", "config": {"name": "r", "max_value": 6.0}})
    if form == "with input":
        entries.insert(0, {"class_name": "InputLayer", "config": image()["config"]})
    config = entries if form == "a list" else {"name": "s", "layers": entries}
    kernel = named("c", ("kernel", "bias"), (1, 1, 3, 2), (2,))
    path = write(
        tmp_path / "s.hdf5",
        {"class_name": "Sequential", "config": config},
        {"c": kernel},
    )
    expected = np.clip(images() @ kernel[0][1][0, 0] + kernel[1][1], 0, 6)
    found = load_model(path).predict(images(), verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_policies_of_mixed_precision(tmp_path):
    policy = {"class_name": "Policy", "config": {"name": "mixed_float16"}}
    model = functional([image(), conv("logits", ["images"], 2, dtype=policy)])
    kernel = named("logits", ("kernel", "bias"), (3, 3, 3, 2), (2,))
    path = write(tmp_path / "m.h5", model, {"logits": kernel})
    assert load_model(path).get_layer("logits").compute_dtype == "float16"


class Trap:
    def __reduce__(self):
        return (open, ("ran", "w"))


def test_lambda_layers_are_named_and_do_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = [pickle.dumps(Trap()).hex(), None, None]
    model = functional(
        [image(), layer("Lambda", "their_scaling", ["images"], function=code)]
    )
    message = refusal(write(tmp_path / "m.h5", model))
    assert "layer 'their_scaling' holds a Lambda layer, which is Python code" in message
    assert not (tmp_path / "ran").exists()


def test_lambda_layers_of_classification_models_are_known(tmp_path):
    settings = {"function": ["...", None, None], "function_type": "lambda"}
    settings["module"] = "classification_models.models._common_blocks"
    sliced = {"start": 1, "stop": 3, "axis": 3}
    model = functional(
        [
            image(),
            layer("GlobalAveragePooling2D", "pool", ["images"]),
            layer("Lambda", "l", ["pool"], arguments={"channels_axis": 3}, **settings),
            layer("Multiply", "scale", ["l", "images"]),
            layer("Lambda", "l1", ["scale"], arguments=sliced, **settings),
        ]
    )
    expected = (images() * images().mean((1, 2), keepdims=True))[..., 1:3]
    found = load_model(write(tmp_path / "m.h5", model)).predict(images(), verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_layer_that_is_not_of_keras_is_named(tmp_path):
    model = functional([image(), layer("Custom>PatchMerging", "merge", ["images"])])
    message = refusal(write(tmp_path / "m.h5", model))
    assert "layer 'merge' holds 'PatchMerging', which is not part of Keras" in message


def test_settings_that_keras_does_not_take_are_named(tmp_path):
    model = functional([image(), conv("c", ["images"], 2, is_quantized=True)])
    message = refusal(write(tmp_path / "m.h5", model))
    assert "layer 'c' (Conv2D) has settings that Keras" in message
    assert "is_quantized" in message


def test_a_model_of_a_class_of_its_own(tmp_path):
    model = {"class_name": "MyUNet", "config": {"filters": 8}}
    assert "a model of the class 'MyUNet'" in refusal(write(tmp_path / "m.h5", model))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, "layer 'c' has 2 weights (kernel (3, 3, 3, 2), bias (2,)), but the file"),
        (
            {"c": named("c", ("kernel", "bias"), (3, 3, 3, 4), (4,))},
            "layer 'c': its kernel is (3, 3, 3, 2), but c/kernel:0 in the file is",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path, weights, message):
    model = functional([image(), conv("c", ["images"], 2)])
    path = tmp_path / "m.h5"
    with pytest.raises(ModelError) as caught:
        load_model(write(path, model, weights))
    assert message in str(caught.value)


def test_a_graph_that_lacks_a_layer(tmp_path):
    model = functional([image(), conv("c", ["images"], 2)])
    model["config"]["layers"][1]["inbound_nodes"] = [[["gone", 0, 0, {}]]]
    assert "layer 'c'" in refusal(write(tmp_path / "m.h5", model))


def test_a_file_of_weights_is_named_as_one(tmp_path):
    path = write(tmp_path / "m.h5", None, weights_of_network())
    assert "holds only the weights of a model" in refusal(path)
    keras.Model(i := keras.Input((8, 8, 3)), layers.Conv2D(2, 1)(i)).save_weights(
        tmp_path / "m.weights.h5"
    )
    assert "holds only the weights" in refusal(tmp_path / "m.weights.h5")


@pytest.mark.parametrize("kind", ["missing", "elsewhere"])
def test_weights_that_are_not_in_the_file(network_file, tmp_path, kind):
    with h5py.File(network_file, "r+") as file:
        weights = file["model_weights/logits/logits"]
        del weights["kernel:0"]
        if kind == "elsewhere":
            with h5py.File(tmp_path / "other.h5", "w") as other:
                other["secret"] = np.zeros((1, 1, 9, 3))
            weights["kernel:0"] = h5py.ExternalLink(
                str(tmp_path / "other.h5"), "secret"
            )
    assert "lists weights of layer 'logits'" in refusal(network_file)


def test_an_hdf5_file_of_something_else(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["holiday"] = np.zeros(3)
    assert "holds no model of Keras" in refusal(tmp_path / "m.h5")


def test_the_config_is_json_as_keras_2_wrote_it(network_file):
    # Guards the helper: Keras itself finds the same entries where it looks for them.
    with h5py.File(network_file) as file:
        config = json.loads(file.attrs["model_config"])
    assert config["config"]["layers"][0]["config"]["batch_input_shape"][0] is None
