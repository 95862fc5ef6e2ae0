"""The channel graph of a model: which channels exist, and which weights hold them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from segshrink.errors import ModelError, UsageError
from segshrink.measuring import batch_factor
from segshrink.models.calls import (
    as_functional,
    is_graph,
    nodes_in_order,
    operations_by_path,
)
from segshrink.models.plain import plain_model
from segshrink.pruning.channels import ChannelIds, ChannelSpace
from segshrink.pruning.layer_call import (
    Channels,
    LayerCall,
    LayerChannels,
    Producer,
    Untraceable,
    describe,
)
from segshrink.pruning.rules import RULES, Rule, checked_rules, rule_of


@dataclass(frozen=True)
class ChannelGroup:
    """Channels with the same producers and consumers, each of which may leave alone.

    Where some channels of a layer are consumed apart from the others, as by a slice,
    they form several groups: at least one of a group stays, so that no slice is empty.

    A unit is the least that can leave: one channel of a layer, together with the
    channels of other layers that are added to it, or of other groups of a grouped
    convolution.

    Attributes:
        layers: names of the layers that produce the channels, in the model's order.
        units: one id for each unit, in the order of the first layer's output.
    """

    layers: tuple[str, ...]
    units: ChannelIds

    def units_of(self, roots: ChannelIds) -> ChannelIds:
        """Unit of each root id; -1 where it belongs to another group."""
        order, ascending = self._sorted
        found = order[np.minimum(np.searchsorted(ascending, roots), len(order) - 1)]
        return np.where(self.units[found] == roots, found, -1)

    @cached_property
    def _sorted(self) -> tuple[ChannelIds, ChannelIds]:
        """Places of the units in ascending order of their ids, and these ids."""
        order = np.argsort(self.units)
        return order, self.units[order]


@dataclass(frozen=True)
class FrozenChannels:
    """Channels of one layer that must stay, and why."""

    layer: str
    channels: int
    reason: str


@dataclass(frozen=True)
class TracedCall:
    """One call of a layer or operation.

    Attributes:
        path: of the layer.
        node: the call, as Keras holds it.
        inputs: channels of each input, or the reason why they are not traced.
        outputs: channels of each output; empty where the call is not traced.
        entries: entries of the batch for one image; more than 1 where a layer moved
            windows of the image into the batch.
    """

    path: str
    node: Any
    inputs: Sequence[Channels | str]
    outputs: Sequence[Channels]
    entries: float


class ChannelGraph:
    """Channels of a model, traced through every call of every layer.

    Attributes:
        space: identities of all channels.
        layers: path of a layer -> where that layer holds channels. A path is the name,
            behind the names of the models that the layer is nested in: `a/b/name`.
        calls: every call in the model's order, with the channels that it consumes and
            produces.
        custom_rules: classes that rules were given for.
    """

    def __init__(
        self,
        model: keras.Model,
        rules: Mapping[type | str, Rule | None],
        custom_rules: tuple[type | str, ...] = (),
    ) -> None:
        self.custom_rules = custom_rules
        self.space = ChannelSpace()
        self.layers: dict[str, LayerChannels] = {}
        self.calls: list[TracedCall] = []
        self._rules = rules
        self._traced: dict[int, Channels | str] = {}
        self._entries: dict[int, float] = {}
        self._groups: tuple[ChannelGroup, ...] | None = None
        for tensor in as_functional(model).inputs:
            self._traced[id(tensor)] = "model input"
        self._trace_model(model, "")
        # Parallel branches may be traced in any order; readers expect the model's.
        self.layers = {
            path: self.layers[path]
            for path in operations_by_path(model)
            if path in self.layers
        }
        self._keep_shared_weights()
        for tensor in as_functional(model).outputs:
            self._keep_tensor(tensor, "model output")
        self.space.settle()
        self._places = self._places_of_channels()

    @property
    def producers(self) -> list[Producer]:
        """All producers of channels, in the model's order."""
        return [made for record in self.layers.values() for made in record.made]

    def output_ids(self, layer: str) -> ChannelIds | None:
        """Output channels of a layer; None if not traced, or different by call."""
        record = self.layers[layer]
        if record.made:
            return record.made[0].ids
        if len(record.outputs) != 1 or record.untraceable:
            return None
        return record.outputs[0].ids

    def keep_layer(self, layer: str, reason: str) -> None:
        """Freeze the outputs of a layer, or of the layers of a nested model.

        Raises:
            KeyError: if there is no such layer.
        """
        records = [
            record
            for path, record in self.layers.items()
            if path == layer or path.startswith(f"{layer}/")
        ]
        if not records:
            raise KeyError(layer)
        self._groups = None
        for record in records:
            for ids in [output.ids for output in record.outputs] + [
                producer.ids for producer in record.made
            ]:
                self.space.freeze(ids, reason)

    def groups(self) -> tuple[ChannelGroup, ...]:
        """Groups of channels that may leave, in the model's order."""
        if self._groups is None:
            self._groups = self._found_groups()
        return self._groups

    def _found_groups(self) -> tuple[ChannelGroup, ...]:
        layers_by_root: dict[int, list[str]] = {}
        for producer in self.producers:
            free = producer.ids[~self.space.frozen(producer.ids)]
            # dict.fromkeys keeps the order in which the layer outputs them.
            for root in dict.fromkeys(self.space.roots(free).tolist()):
                layers_by_root.setdefault(root, []).append(producer.name)
        units: dict[tuple[tuple[str, ...], int], list[int]] = {}
        for root, layers in layers_by_root.items():
            key = tuple(layers), int(self._places[root])
            units.setdefault(key, []).append(root)
        return tuple(
            ChannelGroup(layers, np.asarray(roots, dtype=np.int64))
            for (layers, _), roots in units.items()
        )

    def frozen(self) -> tuple[FrozenChannels, ...]:
        """Channels that must stay, by producer and reason."""
        found = []
        for producer in self.producers:
            counts: dict[str, int] = {}
            for reason in self.space.reasons(producer.ids):
                if reason is not None:
                    counts[reason] = counts.get(reason, 0) + 1
            found += [
                FrozenChannels(producer.name, count, reason)
                for reason, count in counts.items()
            ]
        return tuple(found)

    def _places_of_channels(self) -> npt.NDArray[np.uint64]:
        """A number for each root that is the same for roots in the same vectors.

        A vector is an axis of a weight or of a tensor; the number is the sum of one
        random number for each of them.
        """
        random = np.random.default_rng(0)
        places = np.zeros(self.space.size, dtype=np.uint64)
        seen = set()
        for record in self.layers.values():
            held = [ids for axes in record.slices.values() for ids in axes.values()]
            for ids in held + [output.ids for output in record.outputs]:
                roots = self.space.roots(ids)
                if roots.tobytes() in seen:
                    continue
                distinct = np.unique(roots)
                if distinct.tobytes() not in seen:
                    places[distinct] += random.integers(1 << 63, dtype=np.uint64)
                seen |= {roots.tobytes(), distinct.tobytes()}
        return places

    def _trace_model(self, model: keras.Model, prefix: str) -> None:
        for node in nodes_in_order(as_functional(model)):
            if is_graph(node.operation):
                self._enter(node, prefix)
            elif not node.is_input:
                self._trace(node, prefix + node.operation.name)

    def _enter(self, node: Any, prefix: str) -> None:
        """Trace one call of a nested model, which may not be its first."""
        path = prefix + node.operation.name
        inner = as_functional(node.operation)
        if len(node.input_tensors) != len(inner.inputs):
            raise ModelError(
                f"{path}: {len(inner.inputs)} inputs must be passed to it."
            )
        for outside, inside in zip(node.input_tensors, inner.inputs, strict=True):
            self._pass_in(path, outside, inside)
        self._trace_model(node.operation, f"{path}/")
        for outside, inside in zip(node.outputs, inner.outputs, strict=True):
            self._traced[id(outside)] = self._traced[id(inside)]
            self._entries[id(outside)] = self._entries.get(id(inside), 1.0)

    def _pass_in(self, path: str, outside: Any, inside: Any) -> None:
        """Pass channels to an input layer, whose config states their number."""
        traced = self._traced[id(inside)] = self._traced[id(outside)]
        self._entries[id(inside)] = self._entries.get(id(outside), 1.0)
        layer = inside._keras_history.operation
        record = self._record(f"{path}/{layer.name}", layer)
        if isinstance(traced, Channels):
            place = ("config", "batch_shape", traced.axis)
            if record.sizes and place not in record.sizes:
                record.untraceable = f"{path}: its calls hold channels on several axes"
                self.space.freeze(traced.ids, record.untraceable)
            else:
                earlier = record.sizes.setdefault(place, traced.ids)
                self.space.unite(earlier, traced.ids)
        else:
            record.untraceable = traced
        # One call of a shared model may pass what another call must keep.
        if record.untraceable is not None:
            self._keep_weights(record, record.untraceable)

    def _record(self, path: str, layer: Any) -> LayerChannels:
        return self.layers.setdefault(path, LayerChannels(layer, path))

    def _trace(self, node: Any, path: str) -> None:
        record = self._record(path, node.operation)
        inputs = [self._traced[id(tensor)] for tensor in node.input_tensors]
        entries = self._entries_of(node)
        try:
            outputs = self._follow_rule(record, inputs, node)
        except Untraceable as problem:
            reason = f"{describe(node.operation)}: {problem}"
            self._keep_all(record, node, reason)
            self.calls.append(TracedCall(path, node, inputs, (), entries))
            return
        record.outputs += outputs
        for tensor, output in zip(node.outputs, outputs, strict=True):
            self._traced[id(tensor)] = output
        self.calls.append(TracedCall(path, node, inputs, outputs, entries))

    def _entries_of(self, node: Any) -> float:
        """Entries of the batch that a call consumes; stores those of its outputs."""
        entering = [self._entries.get(id(tensor), 1.0) for tensor in node.input_tensors]
        entries = max(entering, default=1.0)
        for tensor in node.outputs:
            factor = 1.0
            if node.input_tensors:
                before = node.input_tensors[0].shape
                factor = float(batch_factor(node.operation, before, tensor.shape))
            self._entries[id(tensor)] = entries * factor
        return entries

    def _follow_rule(
        self, record: LayerChannels, inputs: list[Channels | str], node: Any
    ) -> tuple[Channels, ...]:
        layer = record.layer
        rule = rule_of(layer, self._rules)
        if record.untraceable is not None:
            raise Untraceable("another call of it is not traced")
        if rule is None:
            raise Untraceable("no rule says how channels pass through it")
        for obstacle in ("quantization_mode", "lora_enabled"):
            if getattr(layer, obstacle, None):
                raise Untraceable(f"its weights are not plain ({obstacle})")
        found = rule(LayerCall(record, self.space, inputs, node))
        outputs = (found,) if isinstance(found, Channels) else found
        if not isinstance(outputs, Sequence) or not all(
            isinstance(output, Channels) for output in outputs
        ):
            raise UsageError(
                f"{record.path}: its rule must give the Channels of its output, or a "
                f"sequence of one for each output, got {found!r}."
            )
        if len(outputs) != len(node.outputs):
            raise Untraceable("it has several outputs")
        for output, tensor in zip(outputs, node.outputs, strict=True):
            inside = 0 < output.axis < len(tensor.shape)
            if not inside or tensor.shape[output.axis] != len(output.ids):
                raise Untraceable(
                    f"its rule gave {len(output.ids)} channels along axis "
                    f"{output.axis} of its output, which has {tensor.shape}"
                )
        return tuple(outputs)

    def _keep_all(self, record: LayerChannels, node: Any, reason: str) -> None:
        """Freeze inputs, weights and outputs of a layer over all of its calls."""
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


def trace(
    model: keras.Model, rules: Mapping[type | str, Rule | None] | None = None
) -> ChannelGraph:
    """Trace the channels of a Functional or Sequential model.

    Args:
        model: a built model; it is not changed.
        rules: rules for custom layers, before `RULES`.

    Raises:
        ModelError: if the model is not built, or not Functional or Sequential.
        UsageError: if a rule is not a function, or does not return `Channels`.
    """
    rules = checked_rules(rules)
    return ChannelGraph(model, {**RULES, **rules}, tuple(rules))


def plain_for_rules(
    model: keras.Model, rules: Mapping[type | str, Rule | None] | None
) -> keras.Model:
    """The model as a plain one, in which layers that have a custom rule stay whole.

    Raises:
        ModelError: if there is none; see `segshrink.models.plain_model`.
        UsageError: as `trace`.
    """
    return plain_model(model, keep=tuple(checked_rules(rules)))
