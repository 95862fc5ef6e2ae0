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
)
from segshrink.distillation.matching import LayerMatches, match_layers
from segshrink.errors import RecipeError
from segshrink.recipe import FEATURE_LOSSES, DistillationSettings

LOSSES: dict[str, type[MaskedLoss]] = {
    loss.name: loss
    for loss in (
        PixelKL,
        ChannelWise,
        DIST,
        FeatureHint,
        AttentionTransfer,
        PairwiseSimilarity,
    )
}

# What is learnt where the recipe does not say, by the kind of student; compared in
# benchmarks/distillation.md.
DEFAULTS: dict[str, dict[str, Any]] = {
    "pruned": {"supervised": 0.5, "losses": {"pixel_kl": 0.5}, "temperature": 2.0},
    "compact": {"supervised": 0.5, "losses": {"pixel_kl": 0.5}, "temperature": 2.0},
}
_LAYERS = ("bottleneck", "decoder")


def completed(settings: DistillationSettings, kind: str) -> DistillationSettings:
    """The settings with everything that depends on the kind of student filled in."""
    defaults = DEFAULTS[kind]
    update: dict[str, Any] = {
        name: defaults[name]
        if getattr(settings, name) is None
        else getattr(settings, name)
        for name in ("losses", "supervised")
    }
    if settings.temperature is None and "pixel_kl" in update["losses"]:
        update["temperature"] = defaults["temperature"]
    if settings.layers is None and set(update["losses"]) & set(FEATURE_LOSSES):
        update["layers"] = _LAYERS
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
        RecipeError: if `layers` names no pair of the models.
        ModelError: if feature maps are compared and a model does not show its own.
    """
    pairs = LayerMatches()
    losses = settings.losses or {}
    if set(losses) & set(FEATURE_LOSSES):
        try:
            pairs = match_layers(teacher, student, kept=kept).select(
                *(settings.layers or _LAYERS)
            )
        except ValueError as error:
            raise RecipeError(f"distillation.layers: {error}") from error
    terms = []
    for name, weight in losses.items():
        options = {"temperature": settings.temperature} if name == "pixel_kl" else {}
        loss = LOSSES[name](**options)  # type: ignore[arg-type]
        compared = pairs if name in FEATURE_LOSSES else ()
        terms.append(Term(loss, _faded(weight, settings.fade, steps), compared))
    return terms, pairs


def _faded(weight: float, fade: bool, steps: int) -> Weight:
    if not fade:
        return weight
    return keras.optimizers.schedules.CosineDecay(weight, max(1, steps))
