"""Images without labels, on which only a teacher counts."""

import threading
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segshrink.data.annotated import AnnotatedImage, ImageAndLabels, Part
from segshrink.data.classes import IGNORE_INDEX, UNLABELLED, Classes
from segshrink.data.generated import SOURCE_NAME, GeneratedImage
from segshrink.data.images import (
    IMAGE_SUFFIXES,
    SourceFile,
    conversion_notices,
    read_header,
    read_image,
    shown_path,
)
from segshrink.data.layout import holds_masks
from segshrink.data.splits import shortened
from segshrink.data.walking import folders_below, image_files
from segshrink.errors import DatasetError, UsageError
from segshrink.progress import Progress

# Scenes of a data set are numbered from 0.
_FIRST_GENERATED = 1_000_000

_NAMED = 3


class BrokenImages:
    """Tells of each image that turns out broken when it is decoded, once.

    Args:
        progress: receives a line for each; threads may share it.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._told: set[str] = set()
        self._lock = threading.Lock()

    def tell(self, name: str, error: DatasetError) -> None:
        """Say why the image `name` is broken, unless that was said before."""
        with self._lock:
            is_new = name not in self._told
            self._told.add(name)
        if is_new:
            self._progress.say(f"{error} Until then it counts nothing in training.")


@dataclass(frozen=True, kw_only=True)
class UnlabelledImage(AnnotatedImage):
    """An image without labels.

    Attributes:
        broken: is told if the image cannot be decoded.
    """

    # It does not distinguish images, and prints as an address.
    broken: BrokenImages = field(repr=False, compare=False)

    @abstractmethod
    def read_pixels(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None]:
        """The pixels, and which of them have data.

        Returns:
            (image, has_data): uint8 RGB `(height, width, 3)`, and bool `(height,
            width)`; None if all have.

        Raises:
            DatasetError: if the image cannot be decoded.
        """

    def read(self) -> ImageAndLabels:
        """The image, and labels that say that there are none.

        Returns:
            (image, labels): uint8 RGB `(height, width, 3)`; uint8 `(height, width)`,
            `UNLABELLED`, and `IGNORE_INDEX` where there is no data. An image that
            cannot be decoded is black and without data.
        """
        shape = self.height_px, self.width_px
        try:
            image, has_data = self.read_pixels()
            if image.shape[:2] != shape:
                raise DatasetError(
                    f"{self.name}: its size changed since it was opened. Start again."
                )
        except DatasetError as error:
            self.broken.tell(self.name, error)
            return np.zeros((*shape, 3), np.uint8), np.full(
                shape, IGNORE_INDEX, np.uint8
            )
        labels = np.full(shape, UNLABELLED, np.uint8)
        if has_data is not None:
            labels[~has_data] = IGNORE_INDEX
        return image, labels

    def count_classes(self, num_classes: int) -> npt.NDArray[np.int64]:
        """Zeros `(num_classes,)`, without decoding the image."""
        return np.zeros(num_classes, np.int64)


@dataclass(frozen=True, kw_only=True)
class UnlabelledFile(UnlabelledImage):
    """An image file without mask."""

    image: SourceFile

    def read_pixels(self) -> tuple[npt.NDArray[np.uint8], None]:
        """Decode the file."""
        return read_image(self.image), None


@dataclass(frozen=True, kw_only=True)
class UnlabelledScene(UnlabelledImage):
    """A generated scene whose labels are not used."""

    generated: GeneratedImage

    def read_pixels(self) -> tuple[npt.NDArray[np.uint8], None]:
        """Draw the scene."""
        return self.generated.read()[0], None


@dataclass(frozen=True)
class Unlabelled:
    """The unlabelled images of some folders.

    Attributes:
        part: the images, in the order of the folders and sorted by name in each.
        notices: conversions, and what was left out, one line each.
        broken: why images were left out, one message each.
    """

    part: Part
    notices: tuple[str, ...]
    broken: tuple[str, ...]


def open_unlabelled(
    sources: Sequence[str | Path],
    classes: Classes,
    *,
    like: AnnotatedImage | None = None,
    progress: Progress,
) -> Unlabelled:
    """Open folders of images without labels, reading headers only.

    Images may be of any size, at any depth. Folders of masks, as data sets have them
    beside their images, are left out, and so are images whose header is broken. A body
    that is broken shows when it is decoded; see `UnlabelledImage.read`.

    Args:
        sources: folders; `"synthetic:N"` for N scenes that no data set has.
        classes: the classes that the teacher predicts.
        like: an image of the data set. A generated one says how further ones are
            generated.
        progress: receives each file, and what turns out broken later.

    Raises:
        DatasetError: if there is no such folder, or none of its images can be used.
        UsageError: if scenes are to be generated for another data set.
    """
    broken = BrokenImages(progress)
    images: list[AnnotatedImage] = []
    files, notices = _find_files(
        [Path(each) for each in sources if _scenes_of(each) is None]
    )
    for source in sources:
        count = _scenes_of(source)
        if count is not None:
            images += _generated(source, count, like, broken)
    found, more, faults = _read_headers(files, broken, progress)
    images += found
    if not images:
        raise DatasetError(
            f"{', '.join(str(each) for each in sources)}: none of the {len(files)} "
            f"images can be used. The first fault: {faults[0]}"
        )
    part = Part("unlabelled", images, classes)
    return Unlabelled(part, (*notices, *more), tuple(faults))


def _scenes_of(source: str | Path) -> str | None:
    """The text after `synthetic:`; None if the source is a folder."""
    if str(source) == SOURCE_NAME:
        raise UsageError(
            f"unlabelled images from {SOURCE_NAME!r}: say how many, such as "
            f"{SOURCE_NAME}:300. A folder of that name is ./{SOURCE_NAME}."
        )
    name, colon, count = str(source).partition(":")
    return count if colon and name == SOURCE_NAME else None


def _generated(
    source: str | Path, text: str, like: AnnotatedImage | None, broken: BrokenImages
) -> Iterator[UnlabelledScene]:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise UsageError(
            f"{source}: needs a number of scenes, such as {SOURCE_NAME}:300."
        )
    if not isinstance(like, GeneratedImage):
        raise UsageError(
            f"{source}: generated scenes go with the data set {SOURCE_NAME!r} and "
            "whole scenes only. Name a folder of images."
        )
    for index in range(_FIRST_GENERATED, _FIRST_GENERATED + int(text)):
        scene = GeneratedImage(
            scene=f"scene-{index}",
            name=f"scene-{index}/view",
            height_px=like.height_px,
            width_px=like.width_px,
            index=index,
            seed=like.seed,
        )
        yield UnlabelledScene(
            scene=scene.scene,
            name=scene.name,
            height_px=scene.height_px,
            width_px=scene.width_px,
            generated=scene,
            broken=broken,
        )


def _find_files(folders: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The image files, and notices about folders of masks that are left out."""
    files: list[Path] = []
    notices = []
    seen: set[Path] = set()  # folders that are named twice, or inside each other
    for root in folders:
        if not root.is_dir():
            what = "a file" if root.exists() else "no such folder"
            raise DatasetError(
                f"{root}: {what}. Name a folder of images without labels."
            )
        own: list[Path] = []
        masks: set[Path] = set()
        for folder in folders_below(root):
            if folder.parent in masks or holds_masks(folder):
                masks.add(folder)
            elif folder.resolve() not in seen:
                own += image_files(folder)
            seen.add(folder.resolve())
        if masks:
            notices.append(
                f"{root}: {shortened([shown_path(each) for each in sorted(masks)])} "
                "hold masks and no unlabelled images: left out."
            )
        if not own:
            raise DatasetError(
                f"{root}: holds no image ({', '.join(IMAGE_SUFFIXES)}) at any depth "
                "that no other folder holds. Leave it out."
            )
        files += own
    return files, notices


def _read_headers(
    files: Sequence[Path], broken: BrokenImages, progress: Progress
) -> tuple[list[UnlabelledImage], list[str], list[str]]:
    """Images, notices about them, and a message for each that cannot be opened."""
    images: list[UnlabelledImage] = []
    conversions: Counter[tuple[str, str]] = Counter()
    left_out, faults = [], []
    progress.start("reading headers of unlabelled images", len(files))
    for path in files:
        file = SourceFile(path, shown_path(path), is_paired=False)
        try:
            header = read_header(file)
        except DatasetError as error:
            left_out.append(file.where)
            faults.append(str(error))
        else:
            conversions.update(("unlabelled image", x) for x in header.conversions)
            images.append(
                UnlabelledFile(
                    scene=shown_path(path.parent),
                    name=file.where,
                    height_px=header.height_px,
                    width_px=header.width_px,
                    image_path=path,
                    image=file,
                    broken=broken,
                )
            )
        progress.advance()
    progress.finish()
    notices = list(conversion_notices(conversions))
    if left_out:
        notices.append(_left_out_notice(left_out))
    return images, notices, faults


def _left_out_notice(names: Sequence[str]) -> str:
    image, are = ("image", "is") if len(names) == 1 else ("images", "are")
    return (
        f"{len(names)} unlabelled {image} cannot be read and {are} left out: "
        f"{shortened(names, most=_NAMED)}."
    )
