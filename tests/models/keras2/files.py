"""Files as Keras 2 wrote them, made by hand from the description of the format."""

import json

import h5py
import numpy as np

# What Keras 2 stores with each convolution, and Keras 3 mostly knows.
CONVOLUTION = {
    "trainable": True,
    "dtype": "float32",
    "strides": [1, 1],
    "padding": "same",
    "data_format": "channels_last",
    "dilation_rate": [1, 1],
    "groups": 1,
    "activation": "linear",
    "use_bias": True,
    "bias_initializer": {"class_name": "Zeros", "config": {}},
    "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
    "kernel_regularizer": None,
    "bias_regularizer": None,
    "activity_regularizer": None,
    "kernel_constraint": None,
    "bias_constraint": None,
}
BATCH_NORM = {
    "trainable": True,
    "dtype": "float32",
    "axis": [3],
    "momentum": 0.99,
    "epsilon": 0.001,
    "center": True,
    "scale": True,
    "beta_initializer": {"class_name": "Zeros", "config": {}},
    "moving_variance_initializer": {"class_name": "Ones", "config": {}},
}


def layer(class_name, name, inputs, keywords=None, **config):
    """A layer of a Functional model that is called once.

    Args:
        class_name: its class.
        name: its name.
        inputs: names of the layers before it, or (name, call, output) each.
        keywords: further arguments of the call.
        config: its settings.
    """
    places = [(each, 0, 0) if isinstance(each, str) else each for each in inputs]
    node = [[*place, keywords or {}] for place in places]
    if class_name in ("TFOpLambda", "SlicingOpLambda") and len(node) == 1:
        node = node[0]
    return {
        "class_name": class_name,
        "config": {"name": name, **config},
        "name": name,
        "inbound_nodes": [node],
    }


def image(shape=(8, 8, 3), name="images"):
    return {
        "class_name": "InputLayer",
        "config": {
            "batch_input_shape": [None, *shape],
            "dtype": "float32",
            "sparse": False,
            "ragged": False,
            "name": name,
        },
        "name": name,
        "inbound_nodes": [],
    }


def functional(layers, outputs=None, name="model", **more):
    config = {
        "name": name,
        "layers": layers,
        "input_layers": [[layers[0]["name"], 0, 0]],
        "output_layers": outputs or [[layers[-1]["name"], 0, 0]],
    }
    return {"class_name": "Functional", "config": {**config, **more}}


def conv(name, inputs, filters, kernel_size=3, **config):
    size = [kernel_size] * 2
    settings = {**CONVOLUTION, "filters": filters, "kernel_size": size, **config}
    return layer("Conv2D", name, inputs, **settings)


def write(path, model, weights=None, *, version="2.15.0", **attributes):
    """Write a file.

    Args:
        path: the file.
        model: its `model_config`; None for a file of weights only.
        weights: (name, value) of the weights of each layer, by its name.
        version: version of Keras.
        attributes: further attributes, such as `training_config`.
    """
    with h5py.File(path, "w") as file:
        group = file
        if model is not None:
            file.attrs["model_config"] = json.dumps(model).encode()
            group = file.create_group("model_weights")
        for name, value in attributes.items():
            file.attrs[name] = json.dumps(value).encode()
        for place in {file, group}:
            place.attrs["keras_version"] = version.encode()
            place.attrs["backend"] = b"tensorflow"
        weights = weights or {}
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for name, named in weights.items():
            inner = group.require_group(name)
            inner.attrs["weight_names"] = [each.encode() for each, _ in named]
            for each, value in named:
                inner.create_dataset(each, data=np.asarray(value, np.float32))
    return path


def randoms(*shapes, seed=0):
    """Values of these shapes, those of one axis above 0.5 as variances have to be."""
    random = np.random.default_rng(seed)
    return [
        (random.uniform(0.5, 1.5, s) if len(s) == 1 else random.normal(size=s) / 3)
        for s in shapes
    ]


def named(prefix, names, *shapes, seed=0):
    """Weights of a layer as Keras 2 names them."""
    values = randoms(*shapes, seed=seed)
    pairs = zip(names, values, strict=True)
    return [(f"{prefix}/{name}:0", value) for name, value in pairs]
