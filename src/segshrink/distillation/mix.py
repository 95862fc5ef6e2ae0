"""Terms of the distillation loss from the settings of a recipe."""

from collections.abc import Mapping, Sequence

import keras

from segshrink.distillation.logits_source import Teacher
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
from segshrink.distillation.term import Term, Weight
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


_LAYERS = ("bottleneck", "decoder")


def build_terms(
    settings: DistillationSettings,
    teacher: Teacher,
    student: keras.Model,
    *,
    steps: int,
    kept: Mapping[str, Sequence[int]] | None = None,
) -> tuple[list[Term], LayerMatches]:
    """Terms of completed settings, and the pairs of feature maps that they compare.

    Args:
        settings: as `DistillationSettings.completed` gives them.
        teacher: model or source of logits to learn from.
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
    if isinstance(teacher, keras.Model) and set(losses) & set(FEATURE_LOSSES):
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
    """Pairs of the given roles; by default of the roles in `_LAYERS` that exist."""
    if layers is None:
        features = LayerMatches(matches[:-1])
        if not features:
            raise RecipeError(
                "distillation.losses: the models have no feature maps in common "
                "besides their logits. Take losses of logits."
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
