"""Settings of distillation: the student's losses against its teacher."""

import math
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from segshrink.recipe.data import Augmentation
from segshrink.recipe.settings import Settings

# Distillation losses by name: those of logits, and those of feature maps.
LOGIT_LOSSES = ("pixel_kl", "soft_dice", "channel_wise", "dist")
FEATURE_LOSSES = ("feature_hint", "attention_transfer", "pairwise_similarity")
_CACHE_VIEWS = 4
# Those that are means over pixels, in which `boundary_weight` has an effect.
_PIXEL_LOSSES = ("dist", "feature_hint", "pixel_kl", "soft_dice")


class DistillationSettings(Settings):
    """Losses of a student against its teacher, beside the loss on labels.

    loss = `supervised` * loss on labels + sum of weight * loss over `losses`, which are
    the losses of `segshrink.distillation` by name: pixel_kl, soft_dice, channel_wise
    and dist of logits; feature_hint, attention_transfer and pairwise_similarity of the
    feature maps whose roles begin with one of `layers`. Without `losses` it is
    channel_wise with a weight of 1; `supervised` is 1, and `temperature`, that of
    pixel_kl, is 1 where they are not given. With `fade` the
    teacher's part falls to 0 over the training run, along a cosine. Pixels within 2 of
    a border between classes count `boundary_weight` in losses over pixels.

    Where the data has images without labels, a share `unlabelled_share` of each batch
    is cut from those; only the teacher counts there, on pixels of which it is certain
    by a probability of at least `pseudo_threshold`. `mixing` shows teacher and student
    half of the tiles mixed with others: cutmix replaces a rectangle, mixup lets both
    show through each other.

    `cache`: the teacher's logits are stored once, up to `cache_mb` megabytes, instead
    of running the teacher in each step; it still runs where they do not fit, or where
    it is asked for fewer tiles that way. `cache_views`: colour variants of each image
    whose logits are stored, by default 4 where training changes colours; 1 is the image
    itself. `cache_stride`: side in pixels of the squares whose mean is stored, by
    default 4, or 8 where that exceeds the limit; 2 or 1 for a student whose own logits
    are as fine. With `cache_averaged` the stored logits are means over the flips and
    quarter turns of each tile (test-time augmentation), for eight times the work.
    """

    losses: dict[str, float] | None = Field(
        None,
        json_schema_extra={"propertyNames": {"enum": [*LOGIT_LOSSES, *FEATURE_LOSSES]}},
    )
    supervised: float | None = Field(None, ge=0)
    temperature: float | None = Field(None, gt=0)
    layers: tuple[str, ...] | None = None
    boundary_weight: float = Field(1.0, ge=0)
    fade: bool = False
    unlabelled_share: float | None = Field(None, gt=0, lt=1)
    pseudo_threshold: float | None = Field(None, gt=0, lt=1)
    mixing: Literal["none", "cutmix", "mixup"] | None = None
    cache: bool = True
    cache_mb: float | None = Field(None, gt=0)
    cache_views: int | None = Field(None, ge=1)
    cache_stride: Literal[1, 2, 4, 8] | None = None
    cache_averaged: bool = False

    @field_validator("losses", mode="before")
    @classmethod
    def _require_known_losses(cls, value: Any) -> Any:
        known = LOGIT_LOSSES + FEATURE_LOSSES
        if value is None:
            return None
        if not isinstance(value, dict) or not value or set(value) - set(known):
            raise ValueError(f"must be weights of some of {', '.join(known)}")
        if not all(_is_number(x) and 0 < x < math.inf for x in value.values()):
            raise ValueError("weights must be above 0; leave a loss out to drop it")
        return value

    @model_validator(mode="after")
    def _refuse_options_without_effect(self) -> Self:
        names = set(self.losses or ())
        # Without `losses` neither option applies: the default compares whole images.
        if self.temperature is not None and "pixel_kl" not in names:
            raise ValueError(
                "temperature: no effect without pixel_kl in losses, drop it"
            )
        if self.layers is not None and not names & set(FEATURE_LOSSES):
            raise ValueError("layers: no effect without a loss of feature maps")
        for option in ("cache_mb", "cache_views", "cache_stride", "cache_averaged"):
            if getattr(self, option) not in (None, False) and not self.cache:
                raise ValueError(f"{option}: no effect without cache, drop it")
            if getattr(self, option) not in (None, False) and self.mixing == "mixup":
                raise ValueError(
                    f"{option}: no effect with mixup, whose mixtures no stored logits "
                    "answer for; drop one of the two"
                )
        if self.boundary_weight != 1 and not names & set(_PIXEL_LOSSES):
            raise ValueError(
                "boundary_weight: no effect without a loss over pixels in losses "
                f"({', '.join(_PIXEL_LOSSES)}), drop it"
            )
        return self

    def completed(self) -> Self:
        """These settings with the defaults of losses, where they were left open.

        Channel-wise distillation, at the temperature of its paper, was the best of all
        losses on average at equal seconds. Its gain is in benchmarks/distillation.md.
        """
        losses = {"channel_wise": 1.0} if self.losses is None else self.losses
        supervised, temperature = self.supervised, self.temperature
        if temperature is None and "pixel_kl" in losses:
            temperature = 1.0
        return self.model_copy(
            update={
                "losses": dict(losses),
                "supervised": 1.0 if supervised is None else supervised,
                "temperature": temperature,
            }
        )

    def views_under(self, augmentation: Augmentation) -> int:
        """Colour variants of each image whose logits are stored."""
        return self.cache_views or (_CACHE_VIEWS if augmentation.photometric else 1)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
