"""Train a student with a teacher, start to end."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import keras

from segshrink.data import Dataset
from segshrink.distillation.distiller import Distiller
from segshrink.distillation.matching import has_layers_of
from segshrink.distillation.mix import build_terms, completed
from segshrink.distillation.teacher_cache import (
    STRIDES,
    TeacherCache,
    cache_bytes,
    cannot_replay,
    model_digest,
)
from segshrink.progress import Progress, SilentProgress
from segshrink.recipe import FEATURE_LOSSES, DistillationSettings, TrainingSettings
from segshrink.training import TrainingResult, fit, steps_per_epoch
from segshrink.training.train import supervised_loss

_CACHE_MB = 2048.0


def distill(
    student: keras.Model,
    teacher: keras.Model,
    dataset: Dataset,
    settings: TrainingSettings,
    distillation: DistillationSettings,
    folder: Path,
    *,
    tile_px: int,
    kept: Mapping[str, Sequence[int]] | None = None,
    cache: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    label: str = "student",
) -> TrainingResult:
    """Train `student` on labels and on what `teacher` makes of the images.

    What the settings leave open is chosen by the kind of student: one that has the
    teacher's layers, as after pruning, or another.

    Args:
        student: plain model, trained in place; its best state is saved.
        teacher: trained model with the same input and output shape.
        dataset: data to train and validate on.
        settings: epochs, losses, augmentation and so on.
        distillation: what is learnt from the teacher.
        folder: where to write `model.keras` and `history.csv`; resumes as `fit` does.
        tile_px: height and width of the training tiles in pixels.
        kept: of a pruned student, as for `match_layers`.
        cache: folder of the teacher's logits, used again if they are there; None is a
            folder that goes with the checkpoint.
        seed: of tiles and augmentation.
        progress: told of every step.
        label: name of the work in the progress display.

    Returns:
        Facts of the training.

    Raises:
        ValueError: if the models do not fit together.
        RecipeError: if the settings do not fit the models.
        TrainingError: if the loss is not a number.
        RunFolderError: if `folder` holds the checkpoint of another training.
    """
    progress = progress or SilentProgress()
    chosen = chosen_settings(distillation, student, teacher)
    steps = settings.epochs * steps_per_epoch(dataset, settings, tile_px)
    terms, pairs = build_terms(chosen, teacher, student, steps=steps, kept=kept)
    if pairs:
        progress.say(f"Feature maps that are compared:\n{pairs}")
    began = time.perf_counter()
    logits = _cached_logits(
        chosen,
        teacher,
        dataset,
        settings,
        cache or folder / "checkpoint" / "teacher-logits",
        seed=seed,
        progress=progress,
    )
    teacher_seconds = round(time.perf_counter() - began, 1)
    supervised = supervised_loss(settings.loss, dataset)
    distiller = Distiller(
        student,
        None if logits else teacher,
        supervised=supervised,
        terms=terms,
        supervised_weight=chosen.supervised,
        boundary_weight=chosen.boundary_weight,
    )
    result = fit(
        distiller,
        dataset,
        settings,
        folder,
        tile_px=tile_px,
        seed=seed,
        model=student,
        validation_loss=supervised,
        teacher_logits=logits,
        also_fixed={
            "distillation": chosen.model_dump(mode="json"),
            "teacher": model_digest(teacher),
            "layers": [
                [pair.teacher, pair.student, pair.kept and list(pair.kept)]
                for pair in pairs
            ],
        },
        progress=progress,
        label=label,
    )
    return replace(result, teacher_seconds=teacher_seconds)


def chosen_settings(
    settings: DistillationSettings, student: keras.Model, teacher: keras.Model
) -> DistillationSettings:
    """The settings with what they leave open chosen by the kind of student."""
    kind = "pruned" if has_layers_of(student, teacher) else "compact"
    return completed(settings, kind)


def _cached_logits(
    chosen: DistillationSettings,
    teacher: keras.Model,
    dataset: Dataset,
    settings: TrainingSettings,
    folder: Path,
    *,
    seed: int,
    progress: Progress,
) -> TeacherCache | None:
    """The filled cache; None, and the reason told, if the teacher is asked instead."""
    if not chosen.cache:
        return None
    views = chosen.cache_views or 1
    limit = round(1e6 * (chosen.cache_mb or _CACHE_MB))
    channels, coarsest = teacher.output_shape[-1], STRIDES[-1]
    least = cache_bytes(dataset.train, channels, coarsest, views)
    features = sorted(set(chosen.losses or ()) & set(FEATURE_LOSSES))
    reason = cannot_replay(settings.augmentation)
    if features:
        reason = f"{', '.join(features)} needs its feature maps, not only its logits"
    elif least > limit:
        reason = (
            f"its logits need {least / 1e6:.3g} MB even at stride {coarsest}, more "
            f"than the {limit / 1e6:.3g} of cache_mb"
        )
    if reason:
        progress.say(f"The teacher is asked in each step: {reason}.")
        return None
    photometric = settings.augmentation.photometric
    logits = TeacherCache(
        folder,
        teacher,
        dataset.train,
        views=views,
        photometric=photometric if views > 1 else 0.0,
        seed=seed,
        averaged=chosen.cache_averaged,
        max_bytes=limit,
    )
    logits.fill(progress)
    if views == 1 and photometric:
        progress.say(
            "The targets are for the images as they are; the student sees changed "
            "colours (cache_views replays those too)."
        )
    return logits
