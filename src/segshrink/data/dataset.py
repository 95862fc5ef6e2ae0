"""Opening a data set: a folder of images and masks, or generated scenes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Unpack

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from segshrink.data.annotated import AnnotatedImage, ImageFile, Part
from segshrink.data.band_counting import counted_reader, with_reader
from segshrink.data.band_reading import num_bands_of
from segshrink.data.classes import Classes
from segshrink.data.description import (
    DESCRIPTION_NAME,
    SplitEntry,
    all_faults,
    read_split_file,
)
from segshrink.data.folder import Folder, read_folder
from segshrink.data.generated import SOURCE_NAME, generated_images, split_by_number
from segshrink.data.mask_files import MaskReading
from segshrink.data.opening import OpeningOptions, require_options_for
from segshrink.data.splits import Split, declared_split, shortened
from segshrink.data.splitting import divide_images, pixels_by_scene
from segshrink.data.survey import SurveyedPair
from segshrink.data.unlabelled import open_unlabelled
from segshrink.errors import DatasetError
from segshrink.progress import Progress, SilentProgress

_SHOWN_FAULTS = 20

GivenNames = tuple[str, SplitEntry]
"""A split that the user gives: its source and its scenes."""


@dataclass(frozen=True)
class Dataset:
    """Images with labels, divided by scene.

    Attributes:
        name: its name in records.
        classes: the classes of its labels.
        train: images that models are trained on.
        val: images that the best of several models is chosen by.
        test: images that models are measured on; the part `val` if there is no other.
        split: the scenes of each part, and the source of the split.
        notices: conversions and assumptions, one line each.
        unlabelled: images without labels, on which only a teacher counts; None if
            there are none.
    """

    name: str
    classes: Classes
    train: Part
    val: Part
    test: Part
    split: Split
    notices: tuple[str, ...] = ()
    unlabelled: Part | None = None

    @property
    def parts(self) -> dict[str, Part]:
        """The labelled parts by name; without `test` if `val` serves for it."""
        return {part.name: part for part in (self.train, self.val, self.test)}


def open_dataset(
    source: str | Path,
    *,
    split: str | Path | None = None,
    seed: int = 0,
    unlabelled: Sequence[str | Path] = (),
    progress: Progress | None = None,
    **options: Unpack[OpeningOptions],
) -> Dataset:
    """Open a folder of images and masks, or generate scenes.

    Every mask is read once, so that an undeclared colour, or a class that the training
    part lacks, shows now and not after hours. Images are decoded later, tile by
    tile.

    Args:
        source: a folder (see `data.layouts` for how it may be arranged), or
            `"synthetic"`; a folder of that name is `"./synthetic"`.
        split: JSON or YAML file `{"train": [scene, ...], "val": [...], "test": [...]}`,
            of which val or test may lack, and which may name images instead of scenes.
            None takes the split of dataset.yaml, else that of the folders or lists,
            else one chosen by `seed`.
        seed: int >= 0, for the choice of a split and for generated scenes.
        unlabelled: folders of images without labels, as for `open_unlabelled`.
        progress: receives the masks that are read.
        **options: as `OpeningOptions`.

    Returns:
        The data set with its parts train, val and test.

    Raises:
        DatasetError: if the folder or the split has faults; all are listed.
        UsageError: if an argument would have no effect or is out of range.
    """
    # The split is read before the masks, so that a fault in it shows at once.
    given = None if split is None else read_given_split(Path(split))
    require_options_for(source, options)
    if str(source) == SOURCE_NAME:
        images, classes = generated_images(
            options.get("scenes"), options.get("scene_px"), seed, options.get("bands")
        )
        dataset = _divided(
            SOURCE_NAME, classes, images, _generated_split(images, given), ()
        )
        return with_unlabelled(dataset, unlabelled, progress)
    progress = progress or SilentProgress()
    dataset = _open_folder(Path(source), given, seed, options, progress)
    return with_unlabelled(dataset, unlabelled, progress)


def with_unlabelled(
    dataset: Dataset, sources: Sequence[str | Path], progress: Progress | None
) -> Dataset:
    """The data set with the unlabelled images of folders, and notices about them.

    Raises:
        DatasetError: if there is no such folder, or none of its images can be used.
        UsageError: if scenes are to be generated for another data set.
    """
    if not sources:
        return dataset
    found = open_unlabelled(
        sources,
        dataset.classes,
        like=dataset.train[0],
        progress=progress or SilentProgress(),
    )
    notices = dataset.notices + found.notices
    return replace(dataset, unlabelled=found.part, notices=notices)


def open_images(
    source: str | Path,
    *,
    progress: Progress | None = None,
    **options: Unpack[OpeningOptions],
) -> tuple[str, Part, tuple[str, ...]]:
    """Open a data set undivided, for a protocol with a split of its own.

    Args:
        source: as for `open_dataset`; scenes are generated with its defaults.
        progress: receives the masks that are read.
        **options: as `OpeningOptions`, without those of generated scenes.

    Returns:
        (name, images, notices): the name of the data set in records, all its images as
        the part `"all"`, and what is handled in its files, but worth knowing.

    Raises:
        DatasetError: if the folder has faults; all are listed.
        UsageError: if an option would have no effect.
    """
    require_options_for(source, options)
    if str(source) == SOURCE_NAME:
        images, classes = generated_images(None, None, seed=0)
        return SOURCE_NAME, Part("all", images, classes), ()
    progress = progress or SilentProgress()
    folder, classes = _sound_folder(Path(source), options, progress)
    part = Part("all", _image_files(folder, classes), classes)
    reader, _ = counted_reader(part, folder.has_deviations, progress)
    # What follows from the layout is about its split, which is not used here.
    notices = tuple(x for x in folder.notices if x not in folder.layout.notices)
    part = part if reader is None else with_reader(part, reader)
    return folder.name, part, notices


def read_given_split(path: Path) -> GivenNames:
    """The source and the scenes of a split file."""
    return f"file {path.name}", read_split_file(path)


def _generated_split(
    images: Sequence[AnnotatedImage], given: GivenNames | None
) -> Split:
    names = [image.scene for image in images]
    return declared_split(*given, names) if given else split_by_number(names)


def _open_folder(
    root: Path,
    given: GivenNames | None,
    seed: int,
    options: OpeningOptions,
    progress: Progress,
) -> Dataset:
    folder, classes = _sound_folder(root, options, progress)
    dataset = dataset_of(folder, classes, given, seed)
    reader, told = counted_reader(dataset.train, folder.has_deviations, progress)
    if reader is None:
        return dataset
    train, val, test = (
        with_reader(part, reader) for part in (dataset.train, dataset.val, dataset.test)
    )
    if dataset.test is dataset.val:
        test = val
    notices = dataset.notices + told
    return replace(dataset, train=train, val=val, test=test, notices=notices)


def dataset_of(
    folder: Folder, classes: Classes, given: GivenNames | None, seed: int
) -> Dataset:
    """The data set of a folder without faults.

    Args:
        folder: the folder, read.
        classes: its classes.
        given: source and scenes of a split that overrides the folder's own.
        seed: int >= 0, for what neither gives.

    Raises:
        DatasetError: if the split does not fit, or training sees a single class.
    """
    given = given or _split_of_folder(folder)
    where = str(folder.layout.root)
    divided = divide_images(_image_files(folder, classes), given, seed, where=where)
    notices = (*folder.notices, *divided.notices)
    class_pixels = pixels_by_scene(divided.images)
    notices += _untrained_notices(folder, classes, class_pixels, divided.split)
    used = {*chain(*divided.split.parts.values())}
    left_out = sorted(set(class_pixels) - used)
    if left_out:
        notices += (f"The split leaves out {shortened(left_out)}.",)
    return _divided(folder.name, classes, divided.images, divided.split, notices)


def _sound_folder(
    root: Path, options: OpeningOptions, progress: Progress
) -> tuple[Folder, Classes]:
    folder = read_folder(root, decode_images=False, options=options, progress=progress)
    if folder.faults or folder.classes is None:
        raise DatasetError(_joined_faults(root, folder.faults))
    return folder, folder.classes


def _joined_faults(root: Path, faults: Sequence[str]) -> str:
    if len(faults) == 1:
        return faults[0]
    lines = [f"{root}: {len(faults)} faults."]
    lines += [f"  {fault}" for fault in faults[:_SHOWN_FAULTS]]
    if len(faults) > _SHOWN_FAULTS:
        lines.append(
            f"  and {len(faults) - _SHOWN_FAULTS} more: `segshrink inspect {root}` "
            "lists all."
        )
    return "\n".join(lines)


def _image_files(folder: Folder, classes: Classes) -> list[ImageFile]:
    return [_image_file(pair, classes, folder.reading) for pair in folder.survey.pairs]


def _image_file(
    surveyed: SurveyedPair, classes: Classes, reading: MaskReading
) -> ImageFile:
    pixels = surveyed.pixels_by_code
    return ImageFile(
        scene=surveyed.pair.scene,
        name=surveyed.pair.name,
        height_px=surveyed.height_px,
        width_px=surveyed.width_px,
        num_bands=num_bands_of(surveyed.pair.image),
        image_path=surveyed.pair.image.path,
        image=surveyed.pair.image,
        mask=surveyed.pair.mask,
        classes=classes,
        class_pixels=tuple(pixels.get(code, 0) for code in classes.codes),
        stamps=surveyed.stamps,
        reading=reading,
    )


def _split_of_folder(folder: Folder) -> GivenNames | None:
    """The split of dataset.yaml, else that of the layout."""
    description, layout = folder.description, folder.layout
    if description is not None and description.split is not None:
        return DESCRIPTION_NAME, description.split
    if layout.split is None:
        return None
    parts = layout.split.parts
    if "train" not in parts:
        raise DatasetError(
            f"{layout.root}: has {' and '.join(parts)}, but nothing to train on. Add "
            "images for training, or give a split with --split."
        )
    try:
        return layout.split.source, SplitEntry(**parts)
    except ValidationError as error:
        raise DatasetError(all_faults(layout.root, error)) from None


def _untrained_notices(
    folder: Folder,
    classes: Classes,
    class_pixels: Mapping[str, npt.NDArray[np.int64]],
    split: Split,
) -> tuple[str, ...]:
    """A sentence for each class that no model can learn from the training part.

    Raises:
        DatasetError: if the training part holds a single class.
    """
    trained = sum(class_pixels[scene] for scene in split.train)
    lacking = np.flatnonzero(trained == 0).tolist()
    sentences, nowhere = [], []
    for label in lacking:
        holders = [x for x, pixels in sorted(class_pixels.items()) if pixels[label]]
        if not holders:
            nowhere.append(classes.names[label])
            continue
        sentences.append(
            f"class {classes.names[label]!r} has no pixel in the training part "
            f"(split: {split.source}), so that no model learns it. It is in "
            f"{shortened(holders)}: put one of these into train."
        )
    if nowhere:
        # Names files of known data sets have classes by the dozen.
        sentences.append(
            f"class{'es' * (len(nowhere) > 1)} {shortened([*map(repr, nowhere)])}: no "
            "mask holds a pixel, so that no model learns "
            f"{'them' if len(nowhere) > 1 else 'it'}."
        )
    if 0 < classes.num_classes - len(lacking) < 2 <= classes.num_classes:
        raise DatasetError(_joined_faults(folder.layout.root, sentences))
    return tuple(sentences)


def _divided(
    name: str,
    classes: Classes,
    images: Sequence[AnnotatedImage],
    split: Split,
    notices: tuple[str, ...],
) -> Dataset:
    # Sets make look-ups fast: in a flat folder every image is a scene.
    scenes_of = {part: frozenset(scenes) for part, scenes in split.parts.items()}
    parts = {
        part: Part(part, (image for image in images if image.scene in scenes), classes)
        for part, scenes in scenes_of.items()
    }
    if not split.test:
        parts["test"] = parts["val"]
    return Dataset(name, classes, split=split, notices=notices, **parts)
