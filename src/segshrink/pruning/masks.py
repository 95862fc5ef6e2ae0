"""Removal of channels by masks from any source."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from segshrink.errors import UsageError
from segshrink.pruning.channels import ChannelIds
from segshrink.pruning.graph import ChannelGraph, plain_for_rules, trace
from segshrink.pruning.plan import make_plan
from segshrink.pruning.rules import Rule
from segshrink.records.plan import PlanSettings


def apply_channel_masks(
    model: keras.Model,
    masks: Mapping[str, npt.ArrayLike],
    *,
    rules: Mapping[type | str, Rule | None] | None = None,
) -> keras.Model:
    """Remove the output channels of layers for which a mask is False.

    Layers whose channels can only leave together need one mask; the others follow, and
    where several are given they must agree.

    Args:
        model: a built Functional or Sequential model; it is not changed.
        masks: layer name -> bool array `(output channels of the layer,)`, True stays.
        rules: rules for custom layers, see `segshrink.pruning.rules`.

    Returns:
        A smaller plain Keras model.

    Raises:
        UsageError: if a layer is unknown or cannot be masked, or a mask has the wrong
            shape or type, disagrees with another one, keeps nothing, or removes
            channels that must stay.
        ModelError: if the model is not built, or not Functional or Sequential.
    """
    model = plain_for_rules(model, rules)
    graph = trace(model, rules)
    decisions: dict[int, tuple[bool, str]] = {}
    for name, values in masks.items():
        ids = _masked_ids(graph, name)
        mask = _checked_mask(name, values, len(ids))
        _require_free(graph, name, ids, mask)
        _collect(decisions, name, graph.space.roots(ids), mask)
    removed = [root for root, (stays, _) in decisions.items() if not stays]
    groups = graph.groups()
    kept = [np.flatnonzero(~np.isin(group.units, removed)) for group in groups]
    plan = make_plan(model, graph, kept, PlanSettings(masks=tuple(masks)))
    for layer in plan.layers:
        if not layer.kept:
            raise UsageError(
                f"The masks leave layer {layer.name!r} without channels. "
                "Keep at least one."
            )
    for cut in plan.cuts:
        held = [
            kept for weight in cut.weights.values() for kept in weight.kept.values()
        ]
        if not all(kept.any() for kept in held):
            raise UsageError(
                f"The masks leave nothing for layer {cut.layer!r} to read. "
                "Keep at least one channel of each slice."
            )
    return plan.apply(model)


def _masked_ids(graph: ChannelGraph, name: str) -> ChannelIds:
    if name not in graph.layers:
        raise UsageError(
            f"masks name a layer that the model does not have: {name}. "
            f"It has: {', '.join(graph.layers)}."
        )
    ids = graph.output_ids(name)
    if ids is None:
        reason = graph.layers[name].untraceable or "it is called more than once"
        raise UsageError(f"Layer {name!r} cannot be masked. {reason}.")
    return ids


def _checked_mask(name: str, values: Any, channels: int) -> npt.NDArray[np.bool_]:
    mask = np.asarray(values)
    if mask.dtype != bool or mask.shape != (channels,):
        raise UsageError(
            f"The mask of layer {name!r} must be a bool array of shape ({channels},), "
            f"one entry for each output channel; got {mask.dtype} of {mask.shape}."
        )
    return mask


def _require_free(
    graph: ChannelGraph, name: str, ids: ChannelIds, mask: npt.NDArray[np.bool_]
) -> None:
    for channel in np.flatnonzero(~mask).tolist():
        reason = graph.space.reasons(ids[channel : channel + 1])[0]
        if reason is not None:
            raise UsageError(
                f"Channel {channel} of layer {name!r} must stay ({reason}), but its "
                "mask is False."
            )


def _collect(
    decisions: dict[int, tuple[bool, str]],
    name: str,
    roots: ChannelIds,
    mask: npt.NDArray[np.bool_],
) -> None:
    """Store the decision of a mask on each channel; refuse contradicting masks."""
    for channel, (root, stays) in enumerate(
        zip(roots.tolist(), mask.tolist(), strict=True)
    ):
        earlier, other = decisions.setdefault(root, (stays, name))
        if earlier != stays:
            raise UsageError(
                f"The masks of layers {other!r} and {name!r} disagree on channel "
                f"{channel} of {name!r}, which can only leave from both. "
                "Give them the same mask, or only one of them."
            )
