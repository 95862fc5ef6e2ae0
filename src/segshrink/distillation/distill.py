"""Distillation of a student from a teacher."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import keras

from segshrink.data import Dataset, Part
from segshrink.distillation.asking import stored_logits
from segshrink.distillation.digests import model_digest
from segshrink.distillation.distiller import Distiller
from segshrink.distillation.logits_only import require_logits_suffice
from segshrink.distillation.logits_source import Teacher
from segshrink.distillation.matching import LayerMatches
from segshrink.distillation.mix import build_terms
from segshrink.distillation.teacher_cache import TeacherCache
from segshrink.errors import RecipeError
from segshrink.models import tile_px_of
from segshrink.recipe import DistillationSettings, TrainingSettings
from segshrink.training import (
    Objective,
    TrainingContext,
    TrainingResult,
    fit,
    settled,
    steps_per_epoch,
)
from segshrink.training.train import supervised_loss

_UNLABELLED_SHARE = 0.5


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
    chosen = distillation.completed()
    models = [x for x in (student, teacher) if isinstance(x, keras.Model)]
    settings = settled(settings, context, models)
    dataset = context.dataset
    require_sense_of_unlabelled(chosen, settings, dataset)
    tile_px = tile_px_of(student)
    steps = settings.epochs * steps_per_epoch(dataset, settings, tile_px)
    model = teacher if isinstance(teacher, keras.Model) else None
    if model is None:
        require_logits_suffice(chosen, settings)
    terms, pairs = build_terms(chosen, teacher, student, steps=steps, kept=kept)
    if pairs:
        context.progress.say(f"Feature maps that are compared:\n{pairs}")
    began = time.perf_counter()
    folder = cache or context.folder / "checkpoint" / "teacher-logits"
    logits = stored_logits(
        chosen, teacher, settings, context, folder, tile_px, is_shared=bool(cache)
    )
    teacher_seconds = round(time.perf_counter() - began, 1)
    distiller = Distiller(
        student,
        None if logits else model,
        supervised=supervised_loss(settings.loss, dataset),
        terms=terms,
        supervised_weight=chosen.supervised,
        boundary_weight=chosen.boundary_weight,
        pseudo_threshold=chosen.pseudo_threshold or 0.0,
    )
    result = fit(
        distiller,
        settings,
        context,
        _objective(chosen, distiller, model, logits, dataset),
        also_fixed=_also_fixed(chosen, teacher, pairs)
        | _fixed_images(dataset.unlabelled),
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
            # Not their names, which Keras numbers by the models built before.
            [
                pair.role,
                list(pair.teacher_shape),
                list(pair.student_shape),
                pair.kept and list(pair.kept),
            ]
            for pair in pairs
        ],
    }


def require_sense_of_unlabelled(
    chosen: DistillationSettings, settings: TrainingSettings, dataset: Dataset
) -> None:
    """Refuse options without effect, and batches that cannot hold both kinds.

    Raises:
        RecipeError: for an option of images without labels where there are none, or
            batches of one tile where there are some.
    """
    if dataset.unlabelled is not None:
        if settings.batch_size == 1:
            raise RecipeError(
                "training.batch_size: must be at least 2 with images without labels, "
                "since each batch holds tiles of both kinds, got 1."
            )
        return
    for option in ("unlabelled_share", "pseudo_threshold"):
        if getattr(chosen, option) is not None:
            raise RecipeError(
                f"distillation.{option}: no effect without images without labels. Name "
                "their folder with --unlabelled or data.unlabelled, or drop it."
            )


def _fixed_images(unlabelled: Part | None) -> dict[str, object]:
    """Description of the images without labels, if there are any."""
    if unlabelled is None:
        return {}
    # Names and sizes, not times of files: a folder may be copied to another machine.
    text = "\n".join(f"{x.name} {x.height_px}x{x.width_px}" for x in unlabelled)
    return {"unlabelled": hashlib.sha256(text.encode()).hexdigest()}


def _objective(
    chosen: DistillationSettings,
    distiller: Distiller,
    teacher: keras.Model | None,
    logits: TeacherCache | None,
    dataset: Dataset,
) -> Objective:
    return Objective(
        model=distiller.student,
        validation_loss=distiller.supervised,
        teacher=None if logits else teacher,
        teacher_logits=logits,
        unlabelled=dataset.unlabelled,
        unlabelled_share=chosen.unlabelled_share or _UNLABELLED_SHARE,
        mixing=None if chosen.mixing == "none" else chosen.mixing,
    )
