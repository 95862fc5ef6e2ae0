"""Patches of a regular grid, divided by a file: a public protocol, for comparison only.

Patches of one image fall on both sides of such a split, so it leaks.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple, Unpack

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from segshrink.data.annotated import AnnotatedImage, ImageAndLabels, Part
from segshrink.data.dataset import open_images
from segshrink.data.description import all_faults, read_mapping
from segshrink.data.opening import OpeningOptions
from segshrink.data.splits import shortened
from segshrink.errors import DatasetError
from segshrink.progress import Progress
from segshrink.records.evaluation import PatchSplitRecord

_SHOWN_FAULTS = 12

_Place = Annotated[int, Field(ge=0, strict=True)]


class Patch(NamedTuple):
    """A cell of the grid that begins in the upper left corner of an image.

    Attributes:
        tile: name of the scene, as the public data set calls it.
        image: name of the image within the scene, without its ending.
        row: rows of patches above it.
        column: columns of patches left of it.
    """

    tile: str
    image: str
    row: _Place
    column: _Place

    @property
    def image_name(self) -> str:
        """The image's name in the data set."""
        return f"{self.tile}/{self.image}"

    def __str__(self) -> str:
        """Name in messages."""
        return f"{self.image_name} row {self.row} column {self.column}"


class PatchSplit(BaseModel):
    """Content of a file that divides patches; unknown fields are faults.

    Attributes:
        name: name of the split, for its readers.
        about: explanation of the split, for its readers.
        patch_size_px: side of a patch in pixels.
        columns: meaning of the four entries of a patch, in this order.
        train: the patches that models of the protocol are trained on.
        val: the patches that they are measured on.
        void_as: name of the class that void pixels count as. None is the first, since
            the protocol fills label maps with 0 before it writes known colours.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    about: str = ""
    patch_size_px: Annotated[int, Field(ge=1)]
    columns: tuple[str, ...]
    train: tuple[Patch, ...]
    val: tuple[Patch, ...]
    void_as: str | None = None

    @model_validator(mode="after")
    def _is_sound(self) -> "PatchSplit":
        faults = []
        if self.columns != Patch._fields:
            faults.append(f"columns must be {', '.join(Patch._fields)}")
        if not self.val:
            faults.append("val needs at least one patch")
        counted = Counter(self.train + self.val)
        twice = [str(patch) for patch, times in counted.items() if times > 1]
        if twice:
            faults.append(f"patches named twice: {shortened(twice)}")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def neighbours_in_training(self) -> int:
        """Number of patches of `val` with a patch of `train` at one of their edges."""
        trained = set(self.train)
        return sum(
            any(
                patch._replace(row=patch.row + down, column=patch.column + right)
                in trained
                for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0))
            )
            for patch in self.val
        )


@dataclass(frozen=True)
class PatchDataset:
    """The patches of a data set, divided by a file; see `open_patches`.

    Attributes:
        name: name of the data set in records.
        images: all its images.
        split: the patches of each part.
        source: origin of the split, such as "file random_patch.json".
        notices: what is handled in its files, but worth knowing.
    """

    name: str
    images: Part
    split: PatchSplit
    source: str
    notices: tuple[str, ...] = ()

    @property
    def void_label(self) -> int:
        """The label that void pixels count as."""
        name = self.split.void_as
        return 0 if name is None else self.images.classes.names.index(name)

    def iter_val(self) -> Iterator[ImageAndLabels]:
        """Cut the patches of `split.val`, so that each image is decoded once.

        Yields:
            (image, labels): uint8 RGB `(side, side, 3)`, and uint8 `(side, side)` with
            class index or `IGNORE_INDEX`, image after image.

        Raises:
            DatasetError: if an image cannot be decoded.
        """
        side_px = self.split.patch_size_px
        by_image: dict[str, list[Patch]] = {}
        for patch in self.split.val:
            by_image.setdefault(patch.image_name, []).append(patch)
        known = {image.name: image for image in self.images}
        for name, patches in by_image.items():
            image, labels = known[name].read()
            for patch in patches:
                top, left = patch.row * side_px, patch.column * side_px
                here = slice(top, top + side_px), slice(left, left + side_px)
                yield image[here], labels[here]

    def split_record(self) -> PatchSplitRecord:
        """The split as a record, with numbers of patches."""
        return PatchSplitRecord(
            source=self.source,
            patch_px=self.split.patch_size_px,
            train_patches=len(self.split.train),
            val_patches=len(self.split.val),
        )


def open_patches(
    source: str | Path,
    split: str | Path,
    *,
    progress: Progress | None = None,
    **options: Unpack[OpeningOptions],
) -> PatchDataset:
    """Open a data set whose patches a file divides.

    Args:
        source: a folder or `"synthetic"`, as for `open_dataset`.
        split: JSON or YAML file, see `PatchSplit`.
        progress: receives the masks that are read.
        **options: as `OpeningOptions`, without those of generated scenes.

    Raises:
        DatasetError: if the folder or the file has faults, or they do not belong
            together; all are listed.
    """
    path = Path(split)
    # The split is read before the masks, so that a fault in it shows at once.
    divided = read_patch_split(path)
    name, images, notices = open_images(source, progress=progress, **options)
    _check(divided, images, where=path.name)
    return PatchDataset(name, images, divided, f"file {path.name}", notices)


def read_patch_split(path: Path) -> PatchSplit:
    """Read a split of patches from JSON or YAML.

    Raises:
        DatasetError: listing the faults in the file; a split of scenes is one.
    """
    data = read_mapping(path)
    if "columns" not in data and "patch_size_px" not in data:
        raise DatasetError(
            f"{path}: lists no patches, which this protocol needs. It must "
            'hold {"patch_size_px": 256, "columns": ["tile", "image", "row", "column"],'
            ' "train": [["Tile 1", "image_part_001", 0, 2], ...], "val": [...]}.'
        )
    try:
        return PatchSplit.model_validate(data)
    except ValidationError as error:
        raise DatasetError(all_faults(path, error)) from None


def _check(split: PatchSplit, images: Part, *, where: str) -> None:
    """Require that a split belongs to this data set."""
    known = {image.name: image for image in images}
    patches = split.train + split.val
    unknown = sorted({patch.image_name for patch in patches} - known.keys())
    if unknown:
        raise DatasetError(
            f"{where}: no image is called {shortened(unknown)}. Use the names of this "
            f"data set, scene and image: {shortened(sorted(known))}."
        )
    outside = [
        f"  {patch}: it needs {_reach(patch, split)}, the image has "
        f"{_size(known[patch.image_name])}"
        for patch in patches
        if not _is_inside(patch, split.patch_size_px, known[patch.image_name])
    ]
    if outside:
        raise DatasetError(_outside_fault(where, outside))
    names = images.classes.names
    if split.void_as is not None and split.void_as not in names:
        raise DatasetError(
            f"{where}: void_as is {split.void_as!r}, which is not a class. "
            f"There are {', '.join(names)}."
        )


def _is_inside(patch: Patch, side_px: int, image: AnnotatedImage) -> bool:
    return (patch.row + 1) * side_px <= image.height_px and (
        patch.column + 1
    ) * side_px <= image.width_px


def _reach(patch: Patch, split: PatchSplit) -> str:
    side_px = split.patch_size_px
    return f"{(patch.row + 1) * side_px} x {(patch.column + 1) * side_px} px"


def _size(image: AnnotatedImage) -> str:
    return f"{image.height_px} x {image.width_px}"


def _outside_fault(where: str, outside: Sequence[str]) -> str:
    plural = "patches reach" if len(outside) > 1 else "patch reaches"
    lines = [
        f"{where}: {len(outside)} {plural} beyond the image (height x width). Count "
        "rows and columns of whole patches from 0.",
        *outside[:_SHOWN_FAULTS],
    ]
    if len(outside) > _SHOWN_FAULTS:
        lines.append(f"  and {len(outside) - _SHOWN_FAULTS} more.")
    return "\n".join(lines)


def stretch_channels(patch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Stretch each channel of a patch from its own minimum and maximum to 0 and 255.

    The protocol scales to 0 and 1, `(x - min) / (max - min)`, as scikit-learn's
    `MinMaxScaler` does; a channel of one value becomes 0. Our files take 0 to 255 and
    normalize inside, so the result is multiplied by 255.

    The values are fractions and are not rounded, since the protocol does not round
    either: on the grid of 0 to 255 a value would move by up to half a level. float32
    holds them to one part in ten million. Only a file whose input tensor is int8
    rounds them to its own steps, as it does with every image.

    Args:
        patch: uint8 RGB `(height, width, 3)`.

    Returns:
        float32 `(height, width, 3)` in 0 to 255.
    """
    low = patch.min(axis=(0, 1)).astype(np.float64)
    span = patch.max(axis=(0, 1)) - low
    span[span == 0] = 1
    return (255 * ((patch - low) / span)).astype(np.float32)
