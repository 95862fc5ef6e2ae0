"""Whether a teacher runs in each step, or its logits are stored before the first."""

from pathlib import Path

import keras

from segshrink.data import AnnotatedImage, Dataset, Part, SlidingWindow
from segshrink.distillation.logits_source import Teacher
from segshrink.distillation.teacher_cache import (
    STRIDES,
    CacheSettings,
    TeacherCache,
    cache_bytes,
    cannot_replay,
)
from segshrink.errors import UsageError
from segshrink.models import tile_px_of
from segshrink.recipe import FEATURE_LOSSES, DistillationSettings, TrainingSettings
from segshrink.training import TrainingContext, steps_per_epoch
from segshrink.training.device_tiles import makes_tiles_on_device

_CACHE_MB = 2048.0


def stored_logits(
    chosen: DistillationSettings,
    teacher: Teacher,
    settings: TrainingSettings,
    context: TrainingContext,
    folder: Path,
    tile_px: int,
    *,
    is_shared: bool = False,
) -> TeacherCache | None:
    """The filled cache, or None if the teacher runs in each step.

    A reason that the settings do not give is said.

    Args:
        chosen: losses, mixing and limits of the cache.
        teacher: model, or another source of logits, which are always stored.
        settings: augmentation, and number of tiles.
        context: data and progress.
        folder: folder of the logits.
        tile_px: side of the student's tiles in pixels.
        is_shared: whether other training runs use them, too.

    Raises:
        UsageError: if the logits exceed the limit, do not fit the tiles, or cannot
            have views.
    """
    dataset, progress = context.dataset, context.progress
    if not chosen.cache:
        return None
    photometric = settings.augmentation.photometric
    views, reason = chosen.views_under(settings.augmentation), None
    if isinstance(teacher, keras.Model):
        reason = _reason_against_cache(chosen, settings, teacher, dataset)
        if reason is None and not is_shared:
            reason = _reason_of_cost(chosen, settings, teacher, dataset)
    elif teacher.is_stored:
        views = chosen.cache_views or 1
    if reason:
        progress.say(f"The teacher runs in each step: {reason}.")
        return None
    cache = CacheSettings(
        stride=chosen.cache_stride,
        views=views,
        photometric=photometric if views > 1 else 0.0,
        seed=context.seed,
        averaged=chosen.cache_averaged,
        max_bytes=_max_bytes(chosen),
    )
    logits = TeacherCache(folder, teacher, _taught(dataset), cache)
    if tile_px % logits.stride:
        raise UsageError(
            f"Tiles of {tile_px} pixels are no multiple of {logits.stride}, the side "
            "of the squares whose mean logits are stored. Set cache_stride to 1, 2, 4 "
            "or 8 that divides it, or cache to false."
        )
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
    dataset: Dataset,
) -> str | None:
    part = _taught(dataset)
    if makes_tiles_on_device(settings, part):
        return "on the device it sees the very tiles that the student sees"
    features = sorted(set(chosen.losses or ()) & set(FEATURE_LOSSES))
    if features:
        return f"{', '.join(features)} needs its feature maps, not only its logits"
    channels, coarsest = teacher.output_shape[-1], chosen.cache_stride or STRIDES[-1]
    views = chosen.views_under(settings.augmentation)
    least, most = cache_bytes(part, channels, coarsest, views), _max_bytes(chosen)
    if least > most:
        return (
            f"its logits need {least / 1e6:.3g} MB at stride {coarsest}, more "
            f"than the {most / 1e6:.3g} of cache_mb"
        )
    if chosen.mixing == "mixup":
        return "no stored logits answer for mixtures"
    return cannot_replay(settings.augmentation)


def _reason_of_cost(
    chosen: DistillationSettings,
    settings: TrainingSettings,
    teacher: keras.Model,
    dataset: Dataset,
) -> str | None:
    # Who asks for views or means wants them, at whatever price.
    if chosen.cache_views or chosen.cache_averaged:
        return None
    tile_px = tile_px_of(teacher)
    tiles = sum(_tiles_of(image, tile_px) for image in _taught(dataset))
    stored = chosen.views_under(settings.augmentation) * tiles
    steps = settings.epochs * steps_per_epoch(dataset, settings, tile_px)
    seen = steps * settings.tiles_in_batch
    if seen > stored:
        return None
    return f"that asks it for {seen} tiles, storing its logits for {stored}"


def _taught(dataset: Dataset) -> Part:
    """The images that the teacher is asked about, those without labels last."""
    unlabelled = dataset.unlabelled
    return dataset.train.joined(unlabelled) if unlabelled else dataset.train


def _max_bytes(chosen: DistillationSettings) -> int:
    return round(1e6 * (chosen.cache_mb or _CACHE_MB))


def _tiles_of(image: AnnotatedImage, tile_px: int) -> int:
    return SlidingWindow(
        size_px=(image.height_px, image.width_px),
        tile_px=(tile_px, tile_px),
        overlap=CacheSettings().overlap,
    ).count_tiles()
