"""Settings that stored logits do not suffice for."""

from segshrink.distillation.teacher_cache import cannot_replay
from segshrink.errors import RecipeError
from segshrink.recipe import FEATURE_LOSSES, DistillationSettings, TrainingSettings


def require_logits_suffice(
    distillation: DistillationSettings, settings: TrainingSettings
) -> None:
    """Refuse settings that need a Keras model as teacher, where only logits are known.

    Raises:
        RecipeError: naming the field.
    """
    remedy = "or name a single .keras file that takes the tiles of the student"
    only = "this teacher is only known by its logits, which are stored before training"
    features = sorted(set(distillation.losses or ()) & set(FEATURE_LOSSES))
    if features:
        raise RecipeError(
            f"distillation.losses: {', '.join(features)} cannot be computed, since "
            f"{only}. Take losses of logits, {remedy}."
        )
    if not distillation.cache:
        raise RecipeError(
            f"distillation.cache: false would run the teacher in each step, but {only}."
            f" Drop it, {remedy}."
        )
    if distillation.mixing == "mixup":
        raise RecipeError(
            f"distillation.mixing: no stored logits answer for mixtures, but {only}. "
            f"Take cutmix, {remedy}."
        )
    if settings.tiles_on == "device":
        raise RecipeError(
            f"training.tiles_on: device makes tiles that no stored logits fit, but "
            f"{only}. Drop it, {remedy}."
        )
    reason = cannot_replay(settings.augmentation)
    if reason:
        raise RecipeError(
            f"training.augmentation.scale_jitter: {reason}, and {only}. Narrow it, "
            f"{remedy}."
        )
