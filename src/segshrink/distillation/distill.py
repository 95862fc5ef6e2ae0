"""Distillation of a student from a teacher."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import keras

from segshrink.data import Part
from segshrink.distillation.digests import model_digest
from segshrink.distillation.distiller import Distiller
from segshrink.distillation.feature_maps import has_layers_of
from segshrink.distillation.logits_only import require_logits_suffice
from segshrink.distillation.logits_source import Teacher
from segshrink.distillation.matching import LayerMatches
from segshrink.distillation.mix import build_terms, completed
from segshrink.distillation.teacher_cache import (
    STRIDES,
    CacheSettings,
    TeacherCache,
    cache_bytes,
    cannot_replay,
)
from segshrink.models import tile_px_of
from segshrink.recipe import FEATURE_LOSSES, DistillationSettings, TrainingSettings
from segshrink.training import (
    Objective,
    TrainingContext,
    TrainingResult,
    fit,
    settled,
    steps_per_epoch,
)
from segshrink.training.device_tiles import makes_tiles_on_device
from segshrink.training.train import supervised_loss

_CACHE_MB = 2048.0


def distill(
    student: keras.Model,
    teacher: Teacher,
    settings: TrainingSettings,
    distillation: DistillationSettings,
    context: TrainingContext,
    *,
    kept: Mapping[str, Sequence[int]] | None = None,
    cache: Path | None = None,
) -> TrainingResult:
    """Train `student` on labels and on the predictions of `teacher`.

    Options that the settings leave open depend on the kind of student: one that has the
    teacher's layers, as after pruning, or another.

    Args:
        student: plain model, trained in place; its best state is saved.
        teacher: trained model with the same input and output shape; or another source
            of logits, which are stored before the first step.
        settings: epochs, losses, augmentation and so on.
        distillation: losses between student and teacher.
        context: data, folder, seed and progress; resumes as `fit` does.
        kept: of a pruned student, as for `match_layers`.
        cache: folder of the teacher's logits, which is reused if it is filled; None is
            a folder that goes with the checkpoint.

    Returns:
        The epoch that was chosen, its quality, and the work that was done.

    Raises:
        ValueError: if the models do not fit together.
        RecipeError: if the settings do not fit the models.
        TrainingError: if the loss is not a number.
        RunFolderError: if the folder holds the checkpoint of another training run.
    """
    chosen = chosen_settings(distillation, student, teacher)
    models = [x for x in (student, teacher) if isinstance(x, keras.Model)]
    settings = settled(settings, context, models)
    dataset = context.dataset
    steps = settings.epochs * steps_per_epoch(dataset, settings, tile_px_of(student))
    model = teacher if isinstance(teacher, keras.Model) else None
    if model is None:
        require_logits_suffice(chosen, settings)
    terms, pairs = build_terms(chosen, teacher, student, steps=steps, kept=kept)
    if pairs:
        context.progress.say(f"Feature maps that are compared:\n{pairs}")
    began = time.perf_counter()
    folder = cache or context.folder / "checkpoint" / "teacher-logits"
    logits = _cached_logits(chosen, teacher, settings, context, folder)
    teacher_seconds = round(time.perf_counter() - began, 1)
    supervised = supervised_loss(settings.loss, dataset)
    distiller = Distiller(
        student,
        None if logits else model,
        supervised=supervised,
        terms=terms,
        supervised_weight=chosen.supervised,
        boundary_weight=chosen.boundary_weight,
    )
    objective = Objective(
        model=student,
        validation_loss=supervised,
        teacher=None if logits else model,
        teacher_logits=logits,
    )
    result = fit(
        distiller,
        settings,
        context,
        objective,
        also_fixed=_also_fixed(chosen, teacher, pairs),
    )
    return replace(result, teacher_seconds=teacher_seconds)


def _also_fixed(
    chosen: DistillationSettings, teacher: Teacher, pairs: LayerMatches
) -> dict[str, object]:
    """Description of the distillation, which must not change when it resumes."""
    is_model = isinstance(teacher, keras.Model)
    return {
        "distillation": chosen.model_dump(mode="json"),
        "teacher": model_digest(teacher) if is_model else teacher.digest(),
        "layers": [
            [pair.teacher, pair.student, pair.kept and list(pair.kept)]
            for pair in pairs
        ],
    }


def chosen_settings(
    settings: DistillationSettings, student: keras.Model, teacher: Teacher
) -> DistillationSettings:
    """Settings with defaults for the kind of student where they are not set."""
    is_model = isinstance(teacher, keras.Model)
    is_pruned = is_model and has_layers_of(student, teacher)
    return completed(settings, "pruned" if is_pruned else "compact")


def _cached_logits(
    chosen: DistillationSettings,
    teacher: Teacher,
    settings: TrainingSettings,
    context: TrainingContext,
    folder: Path,
) -> TeacherCache | None:
    """The filled cache, or None if the teacher runs in each step.

    A reason that the settings do not give is said.
    """
    train, progress = context.dataset.train, context.progress
    if not chosen.cache:
        return None
    photometric = settings.augmentation.photometric
    views = chosen.cache_views or 1
    max_bytes = round(1e6 * (chosen.cache_mb or _CACHE_MB))
    reason = None
    if isinstance(teacher, keras.Model):
        reason = _reason_against_cache(chosen, settings, teacher, train, max_bytes)
    if reason:
        progress.say(f"The teacher runs in each step: {reason}.")
        return None
    cache = CacheSettings(
        views=views,
        photometric=photometric if views > 1 else 0.0,
        seed=context.seed,
        averaged=chosen.cache_averaged,
        max_bytes=max_bytes,
    )
    logits = TeacherCache(folder, teacher, train, cache)
    logits.fill(progress)
    if views == 1 and photometric:
        progress.say(
            "The targets are for the unchanged images; the student sees changed "
            "colours (cache_views replays those too)."
        )
    return logits


def _reason_against_cache(
    chosen: DistillationSettings,
    settings: TrainingSettings,
    teacher: keras.Model,
    train: Part,
    max_bytes: int,
) -> str | None:
    if makes_tiles_on_device(settings, train):
        return "on the device it sees the very tiles that the student sees"
    features = sorted(set(chosen.losses or ()) & set(FEATURE_LOSSES))
    if features:
        return f"{', '.join(features)} needs its feature maps, not only its logits"
    channels, coarsest = teacher.output_shape[-1], STRIDES[-1]
    least = cache_bytes(train, channels, coarsest, chosen.cache_views or 1)
    if least > max_bytes:
        return (
            f"its logits need {least / 1e6:.3g} MB even at stride {coarsest}, more "
            f"than the {max_bytes / 1e6:.3g} of cache_mb"
        )
    return cannot_replay(settings.augmentation)
