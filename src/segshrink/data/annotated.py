"""Images with labels, and the three parts of a data set that hold them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt

from segshrink.data.band_reading import paths_of, reader_of
from segshrink.data.classes import IGNORE_INDEX, Classes
from segshrink.data.drawn import DrawnMask
from segshrink.data.images import SourceFile, read_pixels
from segshrink.data.mask_files import MaskReading
from segshrink.data.masks import read_mask, to_labels
from segshrink.data.remembered import Stamp, stamp_of
from segshrink.errors import DatasetError
from segshrink.records.bands import Bands

ImageAndLabels = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
"""Pixels `(height, width, bands)` and labels `(height, width)`, both uint8."""


@dataclass(frozen=True, kw_only=True)
class AnnotatedImage(ABC):
    """An image and its labels, read on request.

    Attributes:
        scene: the scene's name.
        name: the image's name, unique in the data set.
        height_px: height in pixels.
        width_px: width in pixels.
        image_path: the image's file; None if it has none.
        num_bands: bands of its pixels, 3 for RGB.
    """

    scene: str
    name: str
    height_px: int
    width_px: int
    image_path: Path | None = None
    num_bands: int = 3

    @property
    def bands(self) -> Bands | None:
        """The bands of its file and their scale; None for a plain RGB picture."""
        return None

    @property
    def image_paths(self) -> tuple[Path, ...]:
        """All files that hold its pixels; empty if it has none."""
        return () if self.image_path is None else (self.image_path,)

    @abstractmethod
    def read(self) -> ImageAndLabels:
        """The image and its labels.

        Returns:
            (image, labels): uint8 `(height, width, num_bands)`, and uint8
            `(height, width)` with class index or `IGNORE_INDEX`.
        """

    def count_classes(self, num_classes: int) -> npt.NDArray[np.int64]:
        """Pixels of each class, `(num_classes,)`, void not counted."""
        _, labels = self.read()
        counts = np.bincount(labels.ravel(), minlength=num_classes)
        return counts[:num_classes].astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class ImageFile(AnnotatedImage):
    """An image file and its mask file.

    Attributes:
        image: the image's file.
        mask: the mask's file.
        classes: the classes of the mask's codes.
        class_pixels: pixels of each class, counted when the data set was opened.
        reading: how the mask is read.
        stamps: of the files of image and mask then; None for what was not looked at.
    """

    image: SourceFile
    mask: SourceFile | DrawnMask
    classes: Classes
    class_pixels: tuple[int, ...]
    reading: MaskReading = MaskReading()
    stamps: tuple[Stamp | None, Stamp | None] = (None, None)

    @property
    def bands(self) -> Bands | None:
        """The bands of its file and their scale; None for a plain RGB picture."""
        reader = reader_of(self.image)
        return None if reader is None else reader.bands

    @property
    def image_paths(self) -> tuple[Path, ...]:
        """All files that hold its pixels, of which each may hold one band."""
        return paths_of(self.image)

    def read(self) -> ImageAndLabels:
        """Decode both files; pixels without data are void.

        Raises:
            DatasetError: if a file cannot be decoded, or changed since the data set
                was opened.
        """
        self._require_unchanged()
        image, has_data = read_pixels(self.image)
        expected = (self.height_px, self.width_px)
        runs = read_mask(
            self.mask,
            by_index=self.classes.by_index,
            reading=self.reading,
            size=expected,
        )
        labels = to_labels(runs, self.classes, self.mask)
        if not image.shape[:2] == labels.shape == expected:
            raise DatasetError(
                f"{self.image.where}: its size or its mask's size changed since the "
                "data set was opened. Start again."
            )
        if has_data is not None:
            labels = np.where(has_data, labels, np.uint8(IGNORE_INDEX))
        return image, labels

    def _require_unchanged(self) -> None:
        for file, stamp in zip((self.image, self.mask), self.stamps, strict=True):
            if stamp is not None and stamp_of(file.path) != stamp:
                raise DatasetError(
                    f"{file.where}: changed since the data set was opened. Start again."
                )

    def count_classes(self, num_classes: int) -> npt.NDArray[np.int64]:
        """Pixels of each class, `(num_classes,)`, without reading the mask again."""
        return np.array(self.class_pixels, np.int64)


class Part(Sequence[AnnotatedImage]):
    """The images of one part of a data set.

    Args:
        name: "train", "val" or "test".
        images: its images.
        classes: the classes of their labels.
    """

    def __init__(
        self, name: str, images: Iterable[AnnotatedImage], classes: Classes
    ) -> None:
        self.name = name
        self.classes = classes
        self._images = tuple(images)

    @property
    def scenes(self) -> tuple[str, ...]:
        """Names of the scenes in this part, sorted."""
        return tuple(sorted({image.scene for image in self._images}))

    @property
    def num_bands(self) -> int:
        """Bands of the pixels of its images, 3 for RGB; all have as many."""
        return self._images[0].num_bands if self._images else 3

    @property
    def bands(self) -> Bands | None:
        """The bands of its images and their scale; None for plain RGB pictures."""
        return self._images[0].bands if self._images else None

    def joined(self, other: "Part") -> "Part":
        """This part followed by the images of another."""
        return Part(self.name, [*self, *other], self.classes)

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, index: int) -> AnnotatedImage: ...

    @overload
    def __getitem__(self, index: slice) -> "Part": ...

    def __getitem__(self, index: int | slice) -> "AnnotatedImage | Part":
        if isinstance(index, slice):
            return Part(self.name, self._images[index], self.classes)
        return self._images[index]

    def __repr__(self) -> str:
        return f"Part({self.name!r}, {len(self)} images of {len(self.scenes)} scenes)"


def class_frequencies(part: Part) -> npt.NDArray[np.float64]:
    """Share of each class in the labelled pixels of a part.

    Returns:
        float64 array `(num_classes,)` that sums to 1.

    Raises:
        DatasetError: if no pixel of the part has a class.
    """
    num_classes = part.classes.num_classes
    pixels = np.zeros(num_classes, np.int64)
    for image in part:
        pixels += image.count_classes(num_classes)
    if not pixels.any():
        raise DatasetError(
            f"the {part.name} part ({len(part)} images): no pixel has a class, all are "
            "void. Put scenes with classes into it."
        )
    return pixels / pixels.sum()
