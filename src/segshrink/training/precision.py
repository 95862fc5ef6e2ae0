"""bfloat16 arithmetic in the layers of a model while it is trained.

Only what a layer computes with changes, and only during the steps of an epoch.
Variables, losses, gradients of variables, validation and files stay float32.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import keras

from segshrink.training.device_tiles import has_accelerator

Precision = Literal["float32", "bfloat16"]

# The first NVIDIA GPUs with arithmetic for bfloat16 (Ampere) have this capability.
_LEAST_CAPABILITY = (8, 0)


class LayerPrecision(keras.callbacks.Callback):
    """Sets the precision of layers for the steps of each epoch, and restores it.

    A step that is compiled within an epoch keeps that precision. Callbacks that
    validate or save at the end of an epoch must come after this one.

    Args:
        precision: "bfloat16", or "float32", which changes nothing.
        models: their layers, and those of models inside them, are changed. Layers that
            turn grey levels into the numbers of a network are not, since to round those
            would lose half a grey level; nor are biases.
    """

    def __init__(self, precision: Precision, models: Iterable[keras.Model]) -> None:
        super().__init__()
        layers = _layers_of(models) if precision == "bfloat16" else []
        self._before = [(layer, layer.dtype_policy) for layer in layers]
        # The gradient of a bias is a sum over all pixels. XLA adds numbers of 8 bits
        # one by one, and that sum stops growing at a few thousand.
        self._biases = [x for layer in layers for x in _biases_of(layer)]

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Let the layers compute in bfloat16."""
        for layer, _ in self._before:
            layer.dtype_policy = "mixed_bfloat16"
        for bias in self._biases:
            bias._autocast = False

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Restore the layers."""
        self.restore()

    def restore(self) -> None:
        """Let the layers compute as before; after an error too."""
        for layer, policy in self._before:
            layer.dtype_policy = policy
        for bias in self._biases:
            bias._autocast = True


def chosen_precision(precision: Literal["auto", "float32", "bfloat16"]) -> Precision:
    """The precision itself; of auto, bfloat16 where an accelerator computes in it."""
    if precision == "auto":
        return "bfloat16" if has_accelerator() and _has_bfloat16() else "float32"
    return precision


def _layers_of(models: Iterable[keras.Model]) -> list[keras.layers.Layer]:
    # A model has no arithmetic of its own, but would round its inputs.
    exact = (keras.Model, keras.layers.Rescaling, keras.layers.Normalization)
    layers = {id(x): x for model in models for x in model._flatten_layers()}
    return [
        layer
        for layer in layers.values()
        if not isinstance(layer, exact) and layer.dtype_policy.name == "float32"
    ]


def _biases_of(layer: keras.layers.Layer) -> list[keras.Variable]:
    return [x for x in layer._trainable_variables if x.name == "bias" and x._autocast]


def _has_bfloat16() -> bool:
    """Whether the accelerator has arithmetic for bfloat16, and does not emulate it."""
    backend = keras.config.backend()
    if backend == "torch":
        import torch

        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if backend == "tensorflow":
        import tensorflow

        gpu = tensorflow.config.list_physical_devices("GPU")[0]
        details = tensorflow.config.experimental.get_device_details(gpu)
        return bool(details.get("compute_capability", (0, 0)) >= _LEAST_CAPABILITY)
    import jax

    device = jax.devices()[0]
    # Other makers of GPUs number them differently; there the recipe may demand it.
    capability = str(getattr(device, "compute_capability", "")).split(".")
    numbers = tuple(int(x) for x in capability if x.isdigit())
    return device.platform == "tpu" or numbers >= _LEAST_CAPABILITY
