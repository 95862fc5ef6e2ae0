"""How far a mean IoU, or a difference of two, may be chance: what images vary."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segshrink.metrics.bootstrap import mean_iou_interval
from segshrink.records.measurement import ImageQuality, Quality

# Of fewer images the bootstrap says little; of so many scenes it takes scenes, since
# images of one scene are alike.
_LEAST_IMAGES = 5
_ENOUGH_SCENES = 10


@dataclass(frozen=True)
class Interval:
    """An interval of 95 %, in shares, over so many `units`: images or scenes."""

    low: float
    high: float
    count: int
    units: str

    @property
    def has_zero(self) -> bool:
        """Whether a difference may be none at all."""
        return self.low <= 0 <= self.high


def quality_interval(
    quality: Quality | None, minus: Quality | None = None
) -> Interval | None:
    """Interval of a mean IoU, or of what it is above another on the same images.

    None where the images were not counted, are fewer than five, or are not the same.
    """
    images = _images(quality)
    if quality is None or len(images) < _LEAST_IMAGES:
        return None
    others = images if minus is None else _images(minus)
    if [each.image for each in others] != [each.image for each in images]:
        return None
    scenes = list(dict.fromkeys(each.scene for each in images))
    by_scene = _ENOUGH_SCENES <= len(scenes) < len(images)
    places = [scenes.index(x.scene) for x in images] if by_scene else range(len(images))
    count = len(scenes) if by_scene else len(images)
    sums = [
        _sums(each, places, (count, len(quality.classes)))
        for each in ([images] if minus is None else [images, others])
    ]
    low, high = mean_iou_interval(*sums)
    if np.isnan(low):
        return None
    return Interval(low, high, count, "scenes" if by_scene else "images")


def _images(quality: Quality | None) -> list[ImageQuality]:
    """In the order of the data set; images of void alone tell nothing."""
    counted = [each for each in quality.by_image if each.counts] if quality else []
    return sorted(counted, key=lambda each: each.index)


def _sums(
    images: Sequence[ImageQuality], places: Sequence[int], shape: tuple[int, int]
) -> np.ndarray:
    """True, predicted and right pixels, `(units, classes, 3)`."""
    sums = np.zeros((*shape, 3), np.int64)
    for place, image in zip(places, images, strict=True):
        for label, *counts in image.counts:
            sums[place, label] += counts
    return sums
