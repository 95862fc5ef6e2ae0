"""Operations of TensorFlow between layers, against loops and formulas of NumPy."""

import keras
import numpy as np
import pytest

from segshrink.errors import ModelError
from segshrink.models import load_model

from .files import functional, image, layer, write

CONSTANT = "_CONSTANT_VALUE"


def images(shape=(8, 8, 3)):
    return np.random.default_rng(1).uniform(0, 4, (2, *shape)).astype("float32")


def call(function, layer_name, inputs, **keywords):
    return layer("TFOpLambda", layer_name, inputs, keywords, function=function)


def loaded(tmp_path, layers):
    return load_model(write(tmp_path / "m.h5", functional([image(), *layers])))


def predicted(tmp_path, layers):
    return loaded(tmp_path, layers).predict(images(), verbose=0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("function", "keywords", "expected"),
    [
        ("math.truediv", {"y": 127.5, "name": None}, lambda x: x / 127.5),
        ("math.subtract", {"y": [1, 2, 3]}, lambda x: x - [1, 2, 3]),
        ("math.multiply", {"y": [[[[1, 2, 3]]]]}, lambda x: x * [1, 2, 3]),
        ("__operators__.add", {"y": ["images", 0, 0]}, lambda x: x + x),
        ("math.pow", {"y": 2}, lambda x: x**2),
        ("math.reduce_mean", {"axis": [1, 2], "keepdims": True},
         lambda x: x.mean((1, 2), keepdims=True)),
        ("clip_by_value", {"clip_value_min": 1, "clip_value_max": 2},
         lambda x: x.clip(1, 2)),
        ("nn.leaky_relu", {"alpha": 0.1}, lambda x: x),
        ("math.log", {}, np.log),
        ("math.rsqrt", {}, lambda x: x**-0.5),
        ("nn.silu", {}, lambda x: x * sigmoid(x)),
        ("transpose", {"perm": [0, 2, 1, 3]}, lambda x: x.transpose(0, 2, 1, 3)),
        ("reshape", {"shape": [-1, 64, 3]}, lambda x: x.reshape(-1, 64, 3)),
        ("compat.v1.pad", {"paddings": [[0, 0], [1, 0], [2, 1], [0, 0]]},
         lambda x: np.pad(x, [(0, 0), (1, 0), (2, 1), (0, 0)])),
        ("image.resize", {"size": [16, 16], "method": "nearest"},
         lambda x: x.repeat(2, 1).repeat(2, 2)),
        ("image.resize", {"size": [4, 4]},
         lambda x: x.reshape(2, 4, 2, 4, 2, 3).mean((2, 4))),
    ],
)  # fmt: skip
def test_functions_compute_as_tensorflow_does(tmp_path, function, keywords, expected):
    found = predicted(tmp_path, [call(function, "f", ["images"], **keywords)])
    np.testing.assert_allclose(found, expected(images().astype("f8")), atol=1e-4)


def test_a_constant_may_come_first(tmp_path):
    rest = call("math.subtract", "f", [(CONSTANT, -1, 1.0)], y=["images", 0, 0])
    np.testing.assert_allclose(predicted(tmp_path, [rest]), 1 - images(), atol=1e-6)


def test_hard_swish_as_mobilenet_has_it(tmp_path):
    layers = [
        call("__operators__.add", "tf.__operators__.add", ["images"], y=3.0),
        layer("ReLU", "re_lu", ["tf.__operators__.add"], max_value=6.0),
        call("math.multiply", "tf.math.multiply", ["re_lu"], y=1 / 6),
        layer("Multiply", "multiply", ["images", "tf.math.multiply"]),
        call("math.multiply", "again", ["multiply"], y=2.0),
    ]
    model = loaded(tmp_path, layers)
    expected = 2 * images() * np.clip(images() + 3, 0, 6) / 6
    np.testing.assert_allclose(model.predict(images(), verbose=0), expected, rtol=1e-5)
    # A name that Keras counts up would be that of the layer.
    names = [each.name for each in model.operations]
    assert len(set(names)) == len(names) and "multiply" in names


def test_lists_and_parts_of_tensors(tmp_path):
    part = {"start": None, "stop": None, "step": None}
    last = {"slice_spec": [part, part, part, {**part, "start": 1, "stop": 4}]}
    layers = [
        call("concat", "join", ["images", "images"], axis=-1),
        layer("SlicingOpLambda", "part", ["join"], last,
              function="__operators__.getitem"),
    ]  # fmt: skip
    found = predicted(tmp_path, layers)
    np.testing.assert_array_equal(found, np.concatenate([images()] * 2, -1)[..., 1:4])


def test_sizes_of_a_tensor(tmp_path):
    spec = {"slice_spec": {"start": 1, "stop": 3, "step": None}}
    layers = [
        layer("UpSampling2D", "up", ["images"], size=[2, 2], interpolation="nearest"),
        call("compat.v1.shape", "shape", ["images"], out_type="int32"),
        layer("SlicingOpLambda", "size", ["shape"], spec,
              function="__operators__.getitem"),
        call("image.resize", "resize", ["up"], size=["size", 0, 0]),
    ]  # fmt: skip
    np.testing.assert_allclose(predicted(tmp_path, layers), images(), atol=1e-5)


def test_nodes_of_tensorflow_2_0(tmp_path):
    def node(op, name, inputs, **constants):
        return layer(
            "TensorFlowOpLayer",
            name,
            inputs,
            node_def={"name": name, "op": op, "input": [], "attr": {}},
            constants={key.strip("_"): value for key, value in constants.items()},
        )

    layers = [
        node("RealDiv", "div", ["images"], _1=127.5),
        node("Sub", "sub", ["div"], _0=1.0),
    ]
    expected = 1 - images() / 127.5
    np.testing.assert_allclose(predicted(tmp_path, layers), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["Activation", "Conv2D"])
def test_hard_sigmoid_is_that_of_keras_2(tmp_path, kind):
    hard = layer(kind, "hard", ["images"], activation="hard_sigmoid")
    weights = {}
    if kind == "Conv2D":
        hard["config"] |= {"filters": 3, "kernel_size": 1, "use_bias": False}
        weights = {"hard": [("hard/kernel:0", np.eye(3)[None, None])]}
    path = write(tmp_path / "m.h5", functional([image(), hard]), weights)
    found = keras.ops.convert_to_numpy(load_model(path)(images() - 2))
    expected = np.clip(0.2 * (images() - 2) + 0.5, 0, 1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("function", "keywords", "message"),
    [
        ("linalg.svd", {}, "layer 'f' calls tf.linalg.svd, which is not one"),
        ("math.log", {"base": 2}, "layer 'f' calls tf.math.log in a way"),
        ("image.resize", {"size": [None, 4]}, "a size that is open"),
    ],
)
def test_other_calls_are_refused(tmp_path, function, keywords, message):
    with pytest.raises(ModelError, match=message):
        loaded(tmp_path, [call(function, "f", ["images"], **keywords)])
