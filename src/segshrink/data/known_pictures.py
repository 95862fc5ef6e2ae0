"""Unlabelled images that show what models are measured on.

Pictures are compared by the content of thumbnails: first by their colours, each channel
brought to mean 0 and deviation 1, then by their detail, what is left of the colours
without their local means. Copies keep both when they are resized or re-encoded.
Different smooth pictures, such as sea and sky, have similar colours, but not the same
detail.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from segshrink.data.annotated import AnnotatedImage, ImageFile
from segshrink.data.dataset import Dataset
from segshrink.data.geotiff import read_scene_thumbnail
from segshrink.data.images import (
    SourceFile,
    read_header,
    read_thumbnail,
    shown_path,
    squeezed,
)
from segshrink.data.parallel import in_parallel
from segshrink.data.pictures import as_rgb
from segshrink.data.unlabelled_images import UnlabelledFile, UnlabelledWindow
from segshrink.errors import DatasetError
from segshrink.progress import Progress

# Sides of thumbnails: the small ones are compared with all others.
_SIDE_PX, _SMALL_PX = 32, 16

# Copies may be cut to whole pixels; pictures of other shapes are not compared.
_SHAPE_TOLERANCE = 0.02

# Least correlations of the colours of small thumbnails and of the detail. Of the 72
# aerial images any two have at most 0.25 in detail, and of their 1294 windows of 256
# pixels at most 0.74. Copies at a quarter of the size, as JPEG of quality 20, have at
# least 0.92, however they were resized, and 0.97 in colours.
_LIKE_IN_COLOR, _LIKE_IN_DETAIL = 0.85, 0.85

# Pictures alike in colours whose detail is compared.
_COMPARED = 5

# Detail is what differs from the mean of a square of this side around it.
_AROUND_PX = 5

# Grey levels; below it a picture has no content to be known by.
_LEAST_DEVIATION = 2.0

_NAMED = 3

_Thumbnail = npt.NDArray[np.uint8]
_Vector = npt.NDArray[np.float32]


@dataclass(frozen=True)
class KnownPicture:
    """An unlabelled image that is the same picture as one to measure on.

    Attributes:
        unlabelled: file of the unlabelled image.
        known: name of the other image.
        part: "val" or "test".
    """

    unlabelled: str
    known: str
    part: str


@dataclass(frozen=True)
class _Picture:
    name: str
    part: str
    shape: tuple[int, int]
    read: Callable[[], _Thumbnail]


def refuse_known_pictures(dataset: Dataset, progress: Progress) -> None:
    """Refuse unlabelled images that validation or test images are copies of.

    Args:
        dataset: the data; without unlabelled images nothing is done.
        progress: receives each image that is compared.

    Raises:
        DatasetError: naming the first copies and their originals.
    """
    found = find_known_pictures(dataset, progress)
    if not found:
        return
    lines = [
        f"  {each.unlabelled} is {each.known} of the {each.part} part"
        for each in found[:_NAMED]
    ]
    if len(found) > _NAMED:
        lines.append(f"  and {len(found) - _NAMED} more")
    image, shows, it = (
        ("image", "shows", "it") if len(found) == 1 else ("images", "show", "them")
    )
    raise DatasetError(
        f"{len(found)} unlabelled {image} {shows} a picture that models are measured "
        "on:\n" + "\n".join(lines) + f"\nMove {it} out of the unlabelled folders. "
        "(Training images may be there.)"
    )


def find_known_pictures(dataset: Dataset, progress: Progress) -> list[KnownPicture]:
    """Unlabelled images that are the same picture as one of validation or test.

    A copy is found if it was resized or re-encoded, not if it was turned or cropped.
    Generated scenes are never copies, and georeferenced ones are compared as a whole.
    Where images are patches, the whole image of a patch is compared as well. Unlabelled
    images that cannot be decoded are passed over, since they count nothing in training.

    Args:
        dataset: the data.
        progress: receives each image that is compared.

    Returns:
        One entry for each copy, in the order of the unlabelled images.

    Raises:
        DatasetError: if a validation or test image cannot be decoded.
    """
    unlabelled = list(_unlabelled(dataset))
    known = list(_measured_on(dataset)) if unlabelled else []
    unlabelled, known = _of_shapes(unlabelled, known), _of_shapes(known, unlabelled)
    if not unlabelled:
        return []
    progress.start(
        "comparing unlabelled images with validation and test",
        len(known) + len(unlabelled),
    )
    index = _Index(known, progress)
    found = []
    for picture, thumbnail in zip(
        unlabelled, in_parallel(_try_read, unlabelled), strict=True
    ):
        original = None if thumbnail is None else index.find(picture.shape, thumbnail)
        if original is not None:
            found.append(KnownPicture(picture.name, original.name, original.part))
        progress.advance()
    progress.finish()
    return found


class _Index:
    """Pictures that others are compared with.

    Args:
        pictures: the pictures.
        progress: receives each one.
    """

    def __init__(self, pictures: Sequence[_Picture], progress: Progress) -> None:
        self._pictures: list[_Picture] = []
        self._details: list[_Vector] = []
        colors = []
        read = in_parallel(lambda each: each.read(), pictures)
        for picture, thumbnail in zip(pictures, read, strict=True):
            if _has_content(thumbnail):
                self._pictures.append(picture)
                self._details.append(_detail(thumbnail))
                colors.append(_colors(thumbnail))
            progress.advance()
        self._colors = np.array(colors, np.float32).reshape(len(colors), -1)
        self._shapes = _log_aspects(self._pictures)

    def find(self, shape: tuple[int, int], thumbnail: _Thumbnail) -> _Picture | None:
        """The picture that is most alike, if it is the same; else None."""
        if not (self._pictures and _has_content(thumbnail)):
            return None
        alike = self._colors @ _colors(thumbnail)
        alike[np.abs(self._shapes - _log_aspect(shape)) > _SHAPE_TOLERANCE] = -1
        places = [
            i for i in np.argsort(-alike)[:_COMPARED] if alike[i] > _LIKE_IN_COLOR
        ]
        if not places:
            return None
        detail = _detail(thumbnail)
        best = max(places, key=lambda i: float(self._details[i] @ detail))
        same = self._details[best] @ detail >= _LIKE_IN_DETAIL
        return self._pictures[best] if same else None


def _has_content(thumbnail: _Thumbnail) -> bool:
    return float(thumbnail.std(axis=(0, 1)).max()) >= _LEAST_DEVIATION


def _colors(thumbnail: _Thumbnail) -> _Vector:
    steps = _SIDE_PX // _SMALL_PX
    blocks = _normalized(thumbnail).reshape(_SMALL_PX, steps, _SMALL_PX, steps, 3)
    return _unit(blocks.mean(axis=(1, 3)))


def _detail(thumbnail: _Thumbnail) -> _Vector:
    # JPEG keeps little detail of single channels.
    grey = _normalized(thumbnail).mean(axis=2)
    around = sliding_window_view(grey, (_AROUND_PX, _AROUND_PX)).mean(axis=(2, 3))
    margin = _AROUND_PX // 2
    detail = grey[margin:-margin, margin:-margin] - around
    return _unit(detail - detail.mean())


def _normalized(thumbnail: _Thumbnail) -> npt.NDArray[np.float32]:
    """The pixels, each channel with mean 0 and, unless it is flat, deviation 1."""
    pixels = thumbnail.astype(np.float32)
    pixels -= pixels.mean(axis=(0, 1))
    pixels /= np.maximum(pixels.std(axis=(0, 1)), 1.0)
    return pixels


def _unit(pixels: npt.NDArray[np.float32]) -> _Vector:
    return (pixels / max(float(np.linalg.norm(pixels)), 1e-9)).ravel()


def _try_read(picture: _Picture) -> _Thumbnail | None:
    try:
        return picture.read()
    except DatasetError:
        return None


def _unlabelled(dataset: Dataset) -> Iterator[_Picture]:
    scenes: set[Path] = set()
    for image in dataset.unlabelled or ():
        if isinstance(image, UnlabelledFile):
            yield _of_file(image.image.where, image, image.image, "unlabelled")
        elif isinstance(image, UnlabelledWindow) and image.path not in scenes:
            scenes.add(image.path)
            yield _Picture(
                shown_path(image.path),
                "unlabelled",
                image.scene_shape,
                partial(_thumbnail_of_scene, image),
            )


def _thumbnail_of_scene(image: UnlabelledWindow) -> _Thumbnail:
    values = read_scene_thumbnail(image.path, image.use, _SIDE_PX)
    if image.reader is not None:
        values, _ = image.reader.scaled(values, None)
    return as_rgb(values)


def _measured_on(dataset: Dataset) -> Iterator[_Picture]:
    whole: set[Path] = set()
    for part in (dataset.val, dataset.test):
        for image in part:
            if isinstance(image, ImageFile):
                yield _of_file(image.name, image, image.image, part.name)
                continue
            read = partial(_thumbnail_of, image)
            yield _Picture(image.name, part.name, _shape(image), read)
            path = image.image_path
            if path is not None and path not in whole:
                whole.add(path)
                yield _of_whole(path, part.name)


def _of_file(name: str, image: AnnotatedImage, file: SourceFile, part: str) -> _Picture:
    read = partial(read_thumbnail, file, _SIDE_PX)
    return _Picture(name, part, _shape(image), read)


def _of_whole(path: Path, part: str) -> _Picture:
    file = SourceFile(path, shown_path(path))
    header = read_header(file)
    shape = header.height_px, header.width_px
    return _Picture(file.where, part, shape, partial(read_thumbnail, file, _SIDE_PX))


def _thumbnail_of(image: AnnotatedImage) -> _Thumbnail:
    return squeezed(Image.fromarray(as_rgb(image.read()[0])), _SIDE_PX)


def _shape(image: AnnotatedImage) -> tuple[int, int]:
    return image.height_px, image.width_px


def _log_aspect(shape: tuple[int, int]) -> float:
    return float(np.log(shape[1] / shape[0]))


def _log_aspects(pictures: Sequence[_Picture]) -> npt.NDArray[np.float64]:
    return np.array([_log_aspect(picture.shape) for picture in pictures])


def _of_shapes(
    pictures: Sequence[_Picture], others: Sequence[_Picture]
) -> list[_Picture]:
    """The pictures whose shape is that of one of the others."""
    own, theirs = _log_aspects(pictures), np.sort(_log_aspects(others))
    first = np.searchsorted(theirs, own - _SHAPE_TOLERANCE, "left")
    last = np.searchsorted(theirs, own + _SHAPE_TOLERANCE, "right")
    return [each for each, any_ in zip(pictures, last > first, strict=True) if any_]
