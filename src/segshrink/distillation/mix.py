"""From the recipe's distillation settings to what a student learns."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from segshrink.distillation.distiller import Term, Weight
from segshrink.distillation.losses import (
    DIST,
    AttentionTransfer,
    ChannelWise,
    FeatureHint,
    MaskedLoss,
    PairwiseSimilarity,
    PixelKL,
    SoftDice,
)
from segshrink.distillation.losses.dist import require_relations
from segshrink.distillation.matching import LayerMatches, match_layers
from segshrink.errors import RecipeError
from segshrink.recipe import FEATURE_LOSSES, DistillationSettings

LOSSES: dict[str, type[MaskedLoss]] = {
    loss.name: loss
    for loss in (
        PixelKL,
        SoftDice,
        ChannelWise,
        DIST,
        FeatureHint,
        AttentionTransfer,
        PairwiseSimilarity,
    )
}

# What is learnt where the recipe does not say, by the kind of student: of all losses
# the best on average at equal seconds, at the temperature of its paper. What it added
# to the labels lay within the spread over seeds (benchmarks/distillation.md).
DEFAULTS: dict[str, dict[str, Any]] = {
    "pruned": {"supervised": 1.0, "losses": {"channel_wise": 1.0}},
    "compact": {"supervised": 1.0, "losses": {"channel_wise": 1.0}},
}
_TEMPERATURE = 1.0
_LAYERS = ("bottleneck", "decoder")


def completed(settings: DistillationSettings, kind: str) -> DistillationSettings:
    """The settings with everything that depends on the kind of student filled in."""
    defaults = DEFAULTS[kind]
    update: dict[str, Any] = {"losses": dict(settings.losses or defaults["losses"])}
    if settings.supervised is None:
        update["supervised"] = defaults["supervised"]
    if settings.temperature is None and "pixel_kl" in update["losses"]:
        update["temperature"] = _TEMPERATURE
    return settings.model_copy(update=update)


def build_terms(
    settings: DistillationSettings,
    teacher: keras.Model,
    student: keras.Model,
    *,
    steps: int,
    kept: Mapping[str, Sequence[int]] | None = None,
) -> tuple[list[Term], LayerMatches]:
    """The terms of completed settings, and the pairs of feature maps they compare.

    Args:
        settings: as `completed` gives them.
        teacher: model to learn from.
        student: model that learns.
        steps: training steps, over which the terms fade if they do.
        kept: as for `match_layers`.

    Raises:
        RecipeError: if `layers` names no pair of the models, there is none, or a loss
            does not fit the number of classes.
        ValueError: if `kept` does not fit the models.
        ModelError: if feature maps are compared and a model does not show its own.
    """
    pairs = LayerMatches()
    losses = settings.losses or {}
    if set(losses) & set(FEATURE_LOSSES):
        pairs = _selected(match_layers(teacher, student, kept=kept), settings.layers)
    terms = []
    for name, weight in losses.items():
        if name == DIST.name:
            try:
                require_relations(student.output_shape[-1], inter=1.0)
            except ValueError as error:
                raise RecipeError(f"distillation.losses: {error}") from error
        options = {"temperature": settings.temperature} if name == "pixel_kl" else {}
        loss = LOSSES[name](**options)  # type: ignore[arg-type]
        compared = pairs if name in FEATURE_LOSSES else ()
        terms.append(Term(loss, _faded(weight, settings.fade, steps), compared))
    return terms, pairs


def _selected(matches: LayerMatches, layers: tuple[str, ...] | None) -> LayerMatches:
    """The pairs of some roles; by default of those of `_LAYERS` that there are."""
    if layers is None:
        features = LayerMatches(matches[:-1])
        if not features:
            raise RecipeError(
                "distillation.losses: the models have no feature maps in common, but "
                "their logits. Take losses of logits."
            )
        roles = {pair.role.partition(" ")[0] for pair in features}
        return features.select(*([x for x in _LAYERS if x in roles] or roles))
    try:
        return matches.select(*layers)
    except ValueError as error:
        raise RecipeError(f"distillation.layers: {error}") from error


def _faded(weight: float, fade: bool, steps: int) -> Weight:
    if not fade:
        return weight
    return keras.optimizers.schedules.CosineDecay(weight, max(1, steps))
