"""Prune a Keras model with torch-pruning, and bring the result back to Keras.

Runs where torch and torch-pruning are installed, on the torch backend:

    KERAS_BACKEND=torch python benchmarks/torch_pruning_bridge.py MODEL.keras --out DIR

The model is rebuilt in torch, layer by layer, and held against Keras; for each pruning
ratio a copy is pruned with the tool's group norm over all layers, rebuilt in Keras with
the channels that are left, held against torch again, and saved. DIR/index.json tells of
each. `--resnet152` times the tool on a ResNet-152 instead.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import keras
import numpy as np
import torch
import torch_pruning as tp

_RATIOS = np.linspace(0.02, 0.96, 95)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--round-to", type=int, default=8)
    parser.add_argument("--resnet152", action="store_true")
    arguments = parser.parse_args()
    if arguments.resnet152:
        print(json.dumps({"seconds": resnet_seconds()}))
        return
    model = keras.models.load_model(arguments.model, compile=False)
    arguments.out.mkdir(parents=True, exist_ok=True)
    print(f"twin differs by {twin_error(model, Twin(model)):.1e}")
    index, seen = [], set()
    for ratio in _RATIOS:
        start = time.perf_counter()
        twin = prune(Twin(model), model, float(ratio), arguments.round_to)
        seconds = time.perf_counter() - start
        smaller = to_keras(twin, model)
        key = tuple(tuple(weight.shape) for weight in smaller.weights)
        if key in seen:
            continue
        seen.add(key)
        error = twin_error(smaller, twin)
        if error > 1e-4:
            raise SystemExit(f"at {ratio:.2f} Keras differs from torch by {error:.1e}")
        name = f"ratio-{ratio:.2f}.keras"
        smaller.save(arguments.out / name)
        index.append(
            {
                "file": name,
                "ratio": float(ratio),
                "parameters": smaller.count_params(),
                "seconds": seconds,
                "error": error,
            }
        )
        print(json.dumps(index[-1]), flush=True)
    (arguments.out / "index.json").write_text(json.dumps(index, indent=2) + "\n")


class Twin(torch.nn.Module):
    """A Functional Keras model in torch, with its weights; images channels first."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.parts = torch.nn.ModuleDict()
        self.steps = []
        places = {id(tensor): 0 for tensor in model.inputs}
        nodes = [
            node
            for depth in sorted(model._nodes_by_depth, reverse=True)
            for node in model._nodes_by_depth[depth]
            if not node.is_input
        ]
        for place, node in enumerate(nodes, start=1):
            layer = node.operation
            self.parts[layer.name] = to_torch(layer)
            read = [places[id(tensor)] for tensor in node.input_tensors]
            self.steps.append((layer.name, read))
            places[id(node.outputs[0])] = place
        self.eval()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Output for a batch."""
        values = [image]
        for name, read in self.steps:
            values.append(self.parts[name](*(values[place] for place in read)))
        return values[-1]


class Concatenate(torch.nn.Module):
    """Side by side along the channels."""

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        """One tensor."""
        return torch.cat(tensors, dim=1)


class Add(torch.nn.Module):
    """Sum of two."""

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """One tensor."""
        return first + second


class Scale(torch.nn.Module):
    """A factor and an offset."""

    def __init__(self, scale: float, offset: float) -> None:
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """One tensor."""
        return image * self.scale + self.offset


def to_torch(layer: keras.Layer) -> torch.nn.Module:
    """One layer with its weights."""
    kind, config = type(layer).__name__, layer.get_config()
    if kind in ("Dropout", "Activation", "ReLU", "MaxPooling2D"):
        return {
            "Dropout": torch.nn.Identity,
            "Activation": torch.nn.ReLU,
            "ReLU": torch.nn.ReLU,
            "MaxPooling2D": lambda: torch.nn.MaxPool2d(
                config["pool_size"], config["strides"]
            ),
        }[kind]()
    if kind == "Rescaling":
        return Scale(config["scale"], config["offset"])
    if kind in ("Concatenate", "Add"):
        return Concatenate() if kind == "Concatenate" else Add()
    if kind == "ZeroPadding2D":
        (top, bottom), (left, right) = config["padding"]
        return torch.nn.ZeroPad2d((left, right, top, bottom))
    if kind == "GlobalAveragePooling2D":
        return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    return with_weights(layer, empty(layer, kind, config))


def empty(layer: keras.Layer, kind: str, config: dict) -> torch.nn.Module:
    """The torch module of a layer with weights, before they are set."""
    if kind == "Dense":
        return torch.nn.Linear(*layer.kernel.shape, bias=layer.use_bias)
    if kind == "BatchNormalization":
        return torch.nn.BatchNorm2d(layer.gamma.shape[0], eps=layer.epsilon)
    shape = layer.kernel.shape
    if kind == "Conv2DTranspose" and config["kernel_size"] == config["strides"]:
        return torch.nn.ConvTranspose2d(
            shape[3], shape[2], shape[:2], config["strides"], bias=layer.use_bias
        )
    if kind == "Conv2D" and (config["padding"] == "valid" or layer.strides == (1, 1)):
        return torch.nn.Conv2d(
            shape[2],
            shape[3],
            shape[:2],
            config["strides"],
            padding=config["padding"],
            bias=layer.use_bias,
        )
    raise SystemExit(f"{layer.name}: no twin of this {kind} is known")


# Keras's axes in the order of torch's.
_ORDER = {"Conv2D": (3, 2, 0, 1), "Conv2DTranspose": (3, 2, 0, 1), "Dense": (1, 0)}
_NAMES = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
    "kernel": "weight",
    "bias": "bias",
}


def with_weights(layer: keras.Layer, module: torch.nn.Module) -> torch.nn.Module:
    """Copy the weights of a layer into its twin."""
    for weight in layer.weights:
        values = keras.ops.convert_to_numpy(weight)
        if weight.name == "kernel":
            values = values.transpose(_ORDER[type(layer).__name__])
        target = getattr(module, _NAMES[weight.name])
        target.data = torch.tensor(np.ascontiguousarray(values))
    return module


def prune(twin: Twin, model: keras.Model, ratio: float, round_to: int) -> Twin:
    """The tool's group norm over all layers, as its documentation calls it."""
    example = torch.zeros(1, 3, *model.input_shape[1:3])
    pruner = tp.pruner.BasePruner(
        twin,
        example,
        importance=tp.importance.GroupMagnitudeImportance(p=2),
        global_pruning=True,
        pruning_ratio=ratio,
        round_to=round_to,
        ignored_layers=[twin.parts[twin.steps[-1][0]]],
    )
    pruner.step()
    return twin.eval()


def to_keras(twin: Twin, model: keras.Model) -> keras.Model:
    """A Keras model of the same layers with the channels that are left."""
    config = model.get_config()
    for entry in config["layers"]:
        name = entry["config"]["name"]
        module = twin.parts[name] if name in twin.parts else None
        if "filters" in entry["config"]:
            entry["config"]["filters"] = module.out_channels
        entry.pop("build_config", None)
    smaller = keras.Model.from_config(config)
    for layer in smaller.layers:
        for weight in layer.weights:
            if weight.name not in _NAMES:
                continue
            values = getattr(twin.parts[layer.name], _NAMES[weight.name])
            values = values.detach().numpy()
            if weight.name == "kernel":
                order = np.argsort(_ORDER[type(layer).__name__])
                values = values.transpose(order)
            weight.assign(values)
    return smaller


def twin_error(model: keras.Model, twin: Twin) -> float:
    """Largest difference of the outputs, relative to the largest value."""
    shape = (2, *model.input_shape[1:])
    images = np.random.default_rng(0).uniform(0, 255, shape).astype("float32")
    with torch.no_grad():
        expected = model(torch.tensor(images), training=False).numpy()
        found = twin(torch.tensor(images.transpose(0, 3, 1, 2))).numpy()
    if found.ndim == 4:
        found = found.transpose(0, 2, 3, 1)
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def resnet_seconds() -> float:
    """Median seconds to trace and prune a ResNet-152 of 224 pixels, of three times."""
    model = keras.applications.ResNet152(weights=None, classifier_activation=None)
    times = []
    for _ in range(3):
        twin = Twin(model)
        start = time.perf_counter()
        prune(twin, model, 0.5, 8)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
