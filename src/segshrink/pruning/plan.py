"""A pruning plan: the channels that stay, chosen before anything is changed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import keras
import numpy as np
from rich.console import Group

from segshrink.models.plain import custom_layers, plain_model
from segshrink.pruning.channels import ChannelIds
from segshrink.pruning.cost import Costs
from segshrink.pruning.graph import ChannelGraph, FrozenChannels
from segshrink.pruning.importance import FloatArray
from segshrink.pruning.surgery import (
    LayerCut,
    cut_model,
    layer_cuts,
    parameters_removed,
    zero_model,
)
from segshrink.pruning.table import plan_table
from segshrink.records.plan import (
    FrozenRecord,
    Measured,
    PlannedGroupRecord,
    PlannedLayerRecord,
    PlanRecord,
    PlanSettings,
)
from segshrink.text_table import ShownInNotebooks, as_text


@dataclass(frozen=True)
class PlannedGroup:
    """The channels of one group that stay.

    Attributes:
        layers: names of the layers that produce the channels, in the model's order.
        units: number of units before; a unit is the least that can leave.
        kept: indices of the units that stay, ascending.
        parameters_share: share of the model's parameters that depend on the group, in
            0..1; a kernel depends on the group that it consumes and on the one that it
            produces, so that shares add up to more than 1.
        macs_share: share of multiply-accumulates, likewise; None if the image size is
            open.
    """

    layers: tuple[str, ...]
    units: int
    kept: tuple[int, ...]
    parameters_share: float
    macs_share: float | None


@dataclass(frozen=True)
class PlannedLayer:
    """The output channels of one layer that stay.

    Attributes:
        name: the layer.
        channels: number of output channels before.
        kept: indices of the output channels that stay, ascending.
    """

    name: str
    channels: int
    kept: tuple[int, ...]


@dataclass(frozen=True)
class PruningPlan(ShownInNotebooks):
    """The channels that stay, and the cuts of every layer that follow.

    A plan holds indices, not weights: it can be applied to the model it was made for,
    also after that model was trained further.

    Attributes:
        model: name of the model.
        settings: how the plan was made.
        groups: groups of channels that may leave.
        layers: layers that produce channels, with the channels that stay.
        frozen: channels that must stay, and why.
        parameters_before: weight entries, BatchNormalization statistics included.
        parameters_after: weight entries of the smaller model.
        macs_before: multiply-accumulates for one image; None if its size is open.
        macs_after: multiply-accumulates of the smaller model.
        measured: prediction and measurement of a measured budget; None for any other.
        custom_layers: layers whose classes Keras does not have, as `name (Class)`; the
            saved model loads only where their packages are.
        cuts: the cuts of each weight and config.
        custom_rules: classes of layers that rules were given for.
    """

    model: str
    settings: PlanSettings
    groups: tuple[PlannedGroup, ...]
    layers: tuple[PlannedLayer, ...]
    frozen: tuple[FrozenChannels, ...]
    parameters_before: int
    parameters_after: int
    macs_before: int | None
    macs_after: int | None
    measured: Measured | None
    custom_layers: tuple[str, ...]
    cuts: tuple[LayerCut, ...] = field(repr=False, compare=False)
    custom_rules: tuple[type | str, ...] = field(repr=False, compare=False)

    def apply(self, model: keras.Model) -> keras.Model:
        """A smaller plain model with the same layer names; `model` is not changed.

        Raises:
            ModelError: if the plan was made for another model.
        """
        return cut_model(self.as_planned(model), self.cuts)

    def zero(self, model: keras.Model) -> keras.Model:
        """A copy of the same shapes in which the removed channels contribute nothing.

        Its outputs are those of `apply(model)`, up to the order of summation.

        Raises:
            ModelError: if the plan was made for another model.
        """
        return zero_model(self.as_planned(model), self.cuts)

    def as_planned(self, model: keras.Model) -> keras.Model:
        """The model as a plain one, whose layers have the names that the plan uses."""
        return plain_model(model, keep=self.custom_rules)

    def as_record(self) -> PlanRecord:
        """The plan as a record for JSON, without the cuts that follow from it."""
        return PlanRecord(
            model=self.model,
            settings=self.settings,
            parameters_before=self.parameters_before,
            parameters_after=self.parameters_after,
            macs_before=self.macs_before,
            macs_after=self.macs_after,
            measured=self.measured,
            custom_layers=self.custom_layers,
            groups=tuple(
                PlannedGroupRecord(
                    layers=group.layers,
                    units_before=group.units,
                    units_after=len(group.kept),
                    kept=group.kept,
                    parameters_share=group.parameters_share,
                    macs_share=group.macs_share,
                )
                for group in self.groups
            ),
            layers=tuple(
                PlannedLayerRecord(
                    name=layer.name,
                    channels_before=layer.channels,
                    channels_after=len(layer.kept),
                    kept=layer.kept,
                )
                for layer in self.layers
            ),
            frozen=tuple(
                FrozenRecord(
                    layer=kept.layer, channels=kept.channels, reason=kept.reason
                )
                for kept in self.frozen
            ),
        )

    def __rich__(self) -> Group:
        return plan_table(self.as_record())

    def __str__(self) -> str:
        return as_text(self)


def make_plan(
    model: keras.Model,
    graph: ChannelGraph,
    kept: Sequence[ChannelIds],
    settings: PlanSettings,
    *,
    measured: Measured | None = None,
    costs: Costs | None = None,
) -> PruningPlan:
    """A plan from the indices of the units that stay in each of `graph.groups()`.

    Args:
        model: the traced model.
        graph: its channels.
        kept: for each group the indices of the units that stay, ascending.
        settings: how they were found.
        measured: measurements of the budget, if it is a measured one.
        costs: of the groups, if they were built before, for orders of units that begin
            with those that stay.
    """
    groups = graph.groups()
    gone = removed_ids(graph, kept)
    cuts = layer_cuts(graph, gone)
    if costs is None:
        orders = [
            np.concatenate([stay, np.setdiff1d(np.arange(len(group.units)), stay)])
            for group, stay in zip(groups, kept, strict=True)
        ]
        costs = Costs(graph, groups, orders)
    macs = costs.prices(macs=1.0, depthwise_macs=1.0)
    counts = np.array([len(stay) for stay in kept], dtype=np.int64)
    before, whole = model.count_params(), costs.terms(costs.counts(costs.sizes))
    after = costs.terms(costs.counts(counts))
    return PruningPlan(
        model=model.name,
        settings=settings,
        groups=tuple(
            PlannedGroup(
                group.layers,
                len(group.units),
                tuple(stay.tolist()),
                parameters_share=_share(costs.prices(parameters=1.0), whole, touched),
                macs_share=_share(macs, whole, touched) if costs.fixed else None,
            )
            for group, stay, touched in zip(groups, kept, costs.touched, strict=True)
        ),
        layers=_planned_layers(graph, gone),
        frozen=graph.frozen(),
        parameters_before=before,
        parameters_after=before - parameters_removed(cuts),
        macs_before=round(float(macs @ whole)) if costs.fixed else None,
        macs_after=round(float(macs @ after)) if costs.fixed else None,
        measured=measured,
        custom_layers=custom_layers(model),
        cuts=cuts,
        custom_rules=graph.custom_rules,
    )


def _share(prices: FloatArray, values: FloatArray, touched: ChannelIds) -> float:
    total = float(prices @ values)
    return float(prices[touched] @ values[touched]) / total if total else 0.0


def removed_ids(graph: ChannelGraph, kept: Sequence[ChannelIds]) -> ChannelIds:
    """Ids of the channels that leave when `kept` of each of `graph.groups()` stays."""
    groups = zip(graph.groups(), kept, strict=True)
    removed = [np.delete(group.units, stay) for group, stay in groups]
    return np.concatenate([*removed, np.empty(0, dtype=np.int64)])


def _planned_layers(graph: ChannelGraph, gone: ChannelIds) -> tuple[PlannedLayer, ...]:
    planned = []
    leaves = np.zeros(graph.space.size, dtype=bool)
    leaves[gone] = True
    for producer in graph.producers:
        stays = ~leaves[graph.space.roots(producer.ids)]
        kept = tuple(np.flatnonzero(stays).tolist())
        planned.append(PlannedLayer(producer.name, len(stays), kept))
    return tuple(planned)
