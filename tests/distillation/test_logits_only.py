"""Settings that need more of a teacher than its logits."""

import pytest

from segshrink.distillation import require_logits_suffice
from segshrink.errors import RecipeError
from segshrink.recipe import Augmentation, DistillationSettings, TrainingSettings


@pytest.mark.parametrize(
    ("distillation", "training", "message"),
    [
        (
            {"losses": {"feature_hint": 1.0, "pixel_kl": 1.0}},
            {},
            r"^distillation\.losses: feature_hint cannot be computed",
        ),
        ({"cache": False}, {}, r"^distillation\.cache: false would run the teacher"),
        ({}, {"tiles_on": "device"}, r"^training\.tiles_on: device makes tiles"),
        (
            {},
            {"augmentation": Augmentation(scale_jitter=(0.25, 1.0))},
            r"^training\.augmentation\.scale_jitter: a zoom of 0\.25 to 1",
        ),
    ],
)
def test_what_needs_a_keras_teacher_is_refused(distillation, training, message):
    with pytest.raises(RecipeError, match=message) as caught:
        require_logits_suffice(
            DistillationSettings(**distillation), TrainingSettings(**training)
        )
    assert "or name a single .keras file" in str(caught.value)


def test_what_needs_logits_alone_is_not():
    require_logits_suffice(
        DistillationSettings(losses={"pixel_kl": 1.0, "dist": 0.5}, cache_views=2),
        TrainingSettings(),
    )
