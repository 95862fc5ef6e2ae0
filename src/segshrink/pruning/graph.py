"""The channel graph of a model: which channels exist, and where they are held."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from segshrink.errors import ModelError
from segshrink.pruning.channels import ChannelIds, ChannelSpace
from segshrink.pruning.layer_call import (
    Channels,
    LayerCall,
    LayerChannels,
    Producer,
    Untraceable,
    describe,
)
from segshrink.pruning.rules import RULES, Rule


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that the same layers make, each of which may leave alone.

    A unit is what leaves at once: one channel of a layer, together with the channels
    of other layers that are added to it, or of other groups of a grouped convolution.

    Attributes:
        layers: names of the layers that make the channels, in the model's order.
        units: one id for each unit, in the order of the first layer's output.
    """

    layers: tuple[str, ...]
    units: ChannelIds

    def units_of(self, roots: ChannelIds) -> ChannelIds:
        """The unit that each root id belongs to, -1 where it is of another group."""
        order = np.argsort(self.units)
        places = np.searchsorted(self.units, roots, sorter=order)
        found = order[np.minimum(places, len(order) - 1)]
        return np.where(self.units[found] == roots, found, -1)


@dataclass(frozen=True)
class FrozenChannels:
    """Channels of one layer that must stay, and why."""

    layer: str
    channels: int
    reason: str


class ChannelGraph:
    """Channels of a model, traced through every call of every layer.

    Attributes:
        space: identities of all channels.
        layers: layer name -> where that layer holds channels.
    """

    def __init__(self, model: keras.Model, rules: Mapping[type, Rule]) -> None:
        self.space = ChannelSpace()
        self.layers: dict[str, LayerChannels] = {}
        self._rules = rules
        self._traced: dict[int, Channels | str] = {}
        functional = as_functional(model)
        for node in nodes_in_order(functional):
            self._trace(node)
        # Parallel branches may be traced in any order; people read the model's.
        self.layers = {
            operation.name: self.layers[operation.name]
            for operation in functional.operations
            if operation.name in self.layers
        }
        self._keep_shared_weights()
        for tensor in model.outputs:
            self._keep_tensor(tensor, "model output")

    @property
    def producers(self) -> list[Producer]:
        """Every layer that makes channels, in the model's order."""
        made = (record.made for record in self.layers.values())
        return [producer for producer in made if producer is not None]

    def output_ids(self, layer: str) -> ChannelIds | None:
        """Output channels of a layer; None if not traced, or different by call."""
        record = self.layers[layer]
        if record.made is not None:
            return record.made.ids
        if len(record.outputs) != 1 or record.untraceable:
            return None
        return record.outputs[0].ids

    def keep_layer(self, layer: str, reason: str) -> None:
        """Freeze the output channels of a layer."""
        for output in self.layers[layer].outputs:
            self.space.freeze(output.ids, reason)

    def groups(self) -> tuple[ChannelGroup, ...]:
        """Groups of channels that may leave, in the model's order."""
        makers: dict[int, list[str]] = {}
        for producer in self.producers:
            free = producer.ids[~self.space.frozen(producer.ids)]
            # dict.fromkeys keeps the order in which the layer outputs them.
            for root in dict.fromkeys(self.space.roots(free).tolist()):
                makers.setdefault(root, []).append(producer.layer)
        units: dict[tuple[str, ...], list[int]] = {}
        for root, layers in makers.items():
            units.setdefault(tuple(layers), []).append(root)
        return tuple(
            ChannelGroup(layers, np.asarray(roots, dtype=np.int64))
            for layers, roots in units.items()
        )

    def frozen(self) -> tuple[FrozenChannels, ...]:
        """What must stay, for each layer that makes channels, by reason."""
        found = []
        for producer in self.producers:
            counts: dict[str, int] = {}
            for reason in self.space.reasons(producer.ids):
                if reason is not None:
                    counts[reason] = counts.get(reason, 0) + 1
            found += [
                FrozenChannels(producer.layer, count, reason)
                for reason, count in counts.items()
            ]
        return tuple(found)

    def _trace(self, node: Any) -> None:
        layer = node.operation
        if node.is_input:
            for tensor in node.outputs:
                self._traced[id(tensor)] = "model input"
            return
        record = self.layers.setdefault(layer.name, LayerChannels(layer))
        try:
            output = self._follow_rule(record, node)
        except Untraceable as problem:
            self._keep_all(record, node, f"{describe(layer)}: {problem}")
            return
        record.outputs.append(output)
        self._traced[id(node.outputs[0])] = output

    def _follow_rule(self, record: LayerChannels, node: Any) -> Channels:
        layer = record.layer
        rule = self._rules.get(type(layer))
        if record.untraceable is not None:
            raise Untraceable("another call of it is not traced")
        if rule is None:
            raise Untraceable("no rule says how channels pass through it")
        if len(node.outputs) != 1:
            raise Untraceable("it has several outputs")
        for obstacle in ("quantization_mode", "lora_enabled"):
            if getattr(layer, obstacle, None):
                raise Untraceable(f"its weights are not plain ({obstacle})")
        call = LayerCall(
            record,
            self.space,
            inputs=[self._traced[id(tensor)] for tensor in node.input_tensors],
            input_shapes=[tuple(tensor.shape) for tensor in node.input_tensors],
            output_shape=tuple(node.outputs[0].shape),
        )
        return rule(call)

    def _keep_all(self, record: LayerChannels, node: Any, reason: str) -> None:
        """Freeze what a layer reads, holds and gives, over all of its calls."""
        record.untraceable = record.untraceable or reason
        self._keep_weights(record, reason)
        for tensor in node.input_tensors:
            self._keep_tensor(tensor, reason)
        for tensor in node.outputs:
            self._traced[id(tensor)] = reason

    def _keep_weights(self, record: LayerChannels, reason: str) -> None:
        for ids in record.all_ids():
            self.space.freeze(ids, reason)

    def _keep_shared_weights(self) -> None:
        """Freeze layers whose weights another layer, such as a nested model, holds."""
        holders: dict[int, list[LayerChannels]] = {}
        for record in self.layers.values():
            for weight in getattr(record.layer, "weights", ()):
                holders.setdefault(id(weight), []).append(record)
        for records in holders.values():
            names = ", ".join(describe(record.layer) for record in records)
            for record in records if len(records) > 1 else ():
                self._keep_weights(record, f"its weights are shared: {names}")

    def _keep_tensor(self, tensor: Any, reason: str) -> None:
        traced = self._traced[id(tensor)]
        if isinstance(traced, Channels):
            self.space.freeze(traced.ids, reason)


def trace(model: keras.Model, rules: Mapping[type, Rule] | None = None) -> ChannelGraph:
    """Trace the channels of a Functional or Sequential model.

    Args:
        model: a built model; it is not changed.
        rules: rules for custom layers, before `RULES`.

    Raises:
        ModelError: if the model is not built, or not Functional or Sequential.
    """
    return ChannelGraph(model, {**RULES, **(rules or {})})


def as_functional(model: keras.Model) -> keras.Model:
    """The graph of calls of a Functional or Sequential model.

    Raises:
        ModelError: if the model is not built, or not Functional or Sequential.
    """
    functional = model
    if isinstance(model, keras.Sequential):
        functional = model._functional
        if functional is None:
            raise ModelError(
                f"{model.name}: a Sequential model must be built before it is pruned. "
                "Start it with keras.Input(shape)."
            )
    if not hasattr(functional, "_nodes_by_depth"):
        raise ModelError(
            f"{getattr(model, 'name', model)}: only Functional and Sequential models "
            f"can be pruned, got {type(model).__name__}. Build it from keras.Input."
        )
    return functional


def nodes_in_order(functional: keras.Model) -> Iterator[Any]:
    """Every call of every layer, each after the calls that it depends on."""
    for depth in sorted(functional._nodes_by_depth, reverse=True):
        yield from functional._nodes_by_depth[depth]
