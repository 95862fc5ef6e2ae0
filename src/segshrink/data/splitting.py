"""Division of a folder's images by the split that is given, completed, or chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from segshrink.data.annotated import ImageFile
from segshrink.data.description import SplitEntry
from segshrink.data.splits import (
    Split,
    choose_split,
    declared_split,
    shortened,
    take_validation,
)
from segshrink.errors import DatasetError

_ON_VALIDATION = (
    "There is no test part: quality is measured on val, by which the best epoch is "
    "chosen too, so that it is somewhat too good."
)


@dataclass(frozen=True)
class Division:
    """Images and the split of their scenes.

    Attributes:
        images: the images; their scenes are those of the split.
        split: the scenes of each part.
        notices: what users should know of it.
    """

    images: list[ImageFile]
    split: Split
    notices: tuple[str, ...] = ()


def divide_images(
    images: Sequence[ImageFile],
    given: tuple[str, SplitEntry] | None,
    seed: int,
    *,
    where: str,
) -> Division:
    """Divide images by scene.

    Args:
        images: all images of the data set.
        given: source and parts of a split. It may name images where scenes are larger;
            then those are divided. A test part without any labelled pixel, as
            benchmarks withhold their masks, is not used. None chooses by the seed.
        seed: int >= 0; it chooses what is not given.
        where: name of the data set in messages.

    Raises:
        DatasetError: if the split names what is not there, or leaves nothing to train
            on or to measure on.
    """
    found = list(images)
    if given is None:
        return Division(found, choose_split(pixels_by_scene(found), seed, where=where))
    source, entry = given
    found = _scenes_as_named(found, {*entry.train, *entry.val, *entry.test})
    split = declared_split(source, entry, sorted({image.scene for image in found}))
    split, notices = _labelled_parts(split, pixels_by_scene(found), where)
    if not split.val:
        return _with_validation(Division(found, split, notices), seed, where)
    if not split.test:
        notices += (_ON_VALIDATION,)
    return Division(found, split, notices)


def pixels_by_scene(
    images: Sequence[ImageFile],
) -> dict[str, npt.NDArray[np.int64]]:
    """Pixels of each class by scene, `(num_classes,)`."""
    by_scene: dict[str, npt.NDArray[np.int64]] = {}
    for image in images:
        pixels = np.array(image.class_pixels, np.int64)
        by_scene[image.scene] = by_scene.get(image.scene, 0) + pixels
    return by_scene


def _scenes_as_named(images: list[ImageFile], named: set[str]) -> list[ImageFile]:
    """Images that the split names become scenes of their own."""
    scenes = {image.scene for image in images}
    alone = named - scenes
    return [
        replace(image, scene=image.name) if image.name in alone else image
        for image in images
    ]


def _labelled_parts(
    split: Split, class_pixels: Mapping[str, npt.NDArray[np.int64]], where: str
) -> tuple[Split, tuple[str, ...]]:
    """The split without a test part whose masks are all void, as if withheld."""

    def labelled(scenes: tuple[str, ...]) -> int:
        return sum(int(class_pixels[scene].sum()) for scene in scenes)

    if not labelled(split.train):
        raise DatasetError(
            f"{where}: the training part ({shortened(split.train)}) has no labelled "
            "pixel: all its masks are void. Put images with labels into it."
        )
    if not split.test or labelled(split.test) or not split.val:
        return split, ()
    notice = "test has no labelled pixel, since its masks are all void: it is not used."
    return replace(split, test=()), (notice,)


def _with_validation(division: Division, seed: int, where: str) -> Division:
    """Take the validation part out of the training part."""
    images, split = division.images, division.split
    training = {scene for scene in split.train}
    own = [image for image in images if image.scene in training]
    alone = len(training) < 2
    if alone:
        images = [replace(x, scene=x.name) if x in own else x for x in images]
        own = [replace(image, scene=image.name) for image in own]
    if len(own) < 2:
        raise DatasetError(
            f"{where}: the training part is one image ({own[0].name}), but without a "
            "validation part one is taken out of it. Add images, or a part val."
        )
    train, val = take_validation(pixels_by_scene(own), seed)
    kind = "images" if alone else "scenes"
    completed = replace(
        split,
        source=f"{split.source}, val by seed {seed}",
        train=train,
        val=val,
    )
    notice = (
        f"There is no validation part: {len(val)} of {len(train) + len(val)} {kind} "
        f"of train are used for it, chosen by seed {seed}."
    )
    return Division(images, completed, (*division.notices, notice))
