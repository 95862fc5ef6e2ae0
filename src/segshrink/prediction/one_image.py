"""Segment one image, in this process or in a worker of a cluster."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from segshrink.data.classes import IGNORE_INDEX
from segshrink.data.images import SourceFile, opened, read_pixels
from segshrink.data.pictures import as_rgb
from segshrink.errors import DatasetError
from segshrink.prediction.areas import Areas
from segshrink.prediction.bands import source_file
from segshrink.prediction.confidence import NO_DATA, write_confidence
from segshrink.prediction.painting import blended
from segshrink.prediction.photos import IMAGE_TAG, Photo
from segshrink.prediction.polygons import write_polygons
from segshrink.prediction.scenes import areas_of_scene, segment_scene
from segshrink.records import atomic_write
from segshrink.runtimes import Artifact, classes_of_image, legend

_BLACK = [0] * 3 * 256


@dataclass(frozen=True)
class Result:
    """The result of one image.

    Attributes:
        areas: area of each class; None if the image could not be segmented.
        fault: one line about what is wrong with the image; None if nothing is.
        is_kept: whether the results existed already.
    """

    areas: Areas | None
    fault: str | None = None
    is_kept: bool = False


def result_of(
    artifact: Artifact,
    photo: Photo,
    out: Path,
    *,
    polygons: str | None = None,
    on_tiles: Callable[[int], None] | None = None,
) -> Result:
    """Segment an image, unless its results exist and are up to date.

    Args:
        artifact: an opened model file.
        photo: from `find_photos`.
        out: folder to write into.
        polygons: `"geojson"` or `"gpkg"` for the outlines of a scene's classes.
        on_tiles: receives the number of tiles of a scene predicted, after each.

    Returns:
        The areas of the image, or its fault.
    """
    areas = _areas_there(photo, out, artifact.num_classes)
    is_kept = areas is not None
    try:
        if areas is None:
            areas = segment_file(artifact, photo, out, on_tiles=on_tiles)
        if polygons is not None and photo.is_scene:
            _outline(artifact, photo, out, polygons)
    except DatasetError as error:
        return Result(areas, str(error), is_kept)
    return Result(areas, None, is_kept)


def segment_file(
    artifact: Artifact,
    photo: Photo,
    out: Path,
    *,
    on_tiles: Callable[[int], None] | None = None,
) -> Areas:
    """Write mask and overlay of one image.

    Args:
        artifact: an opened model file.
        photo: from `find_photos`; a scene of any size, or a photograph that Pillow
            decodes, which is one of up to 178 megapixels.
        out: folder to write into.
        on_tiles: as for `segment_scene`; a photograph reports nothing.

    Returns:
        The area of each class.

    Raises:
        DatasetError: if the image cannot be read.
        RunFolderError: if the results of a scene cannot be written.
    """
    if photo.is_scene:
        return segment_scene(artifact, photo, out, on_tiles=on_tiles)
    # Taken before the image is read, so that one that changes meanwhile is noticed.
    state = photo.state()
    image, has_data = read_pixels(source_file(artifact, photo.path))
    confidence = np.zeros(image.shape[:2], np.uint8) if photo.has_confidence else None
    labels = classes_of_image(artifact, image, confidence=confidence)
    if has_data is not None:
        labels[~has_data] = IGNORE_INDEX
    colors = [color for _, color in legend(artifact)]
    # A mask of another image must not stand beside this overlay.
    photo.mask(out).unlink(missing_ok=True)
    photo.confidence(out).unlink(missing_ok=True)
    if confidence is not None:
        if has_data is not None:
            confidence[~has_data] = NO_DATA
        write_confidence(confidence, photo.confidence(out))
    picture = blended(as_rgb(image), labels, colors)
    _write(Image.fromarray(picture), photo.overlay(out))
    indexed = Image.fromarray(labels, mode="P")
    # As many entries as there are indices, since few are stored in few bits; 255 is
    # for pixels without data.
    palette = [value for color in colors for value in color]
    indexed.putpalette(
        palette if has_data is None else palette + _BLACK[len(palette) :]
    )
    # The mask is written last: where it exists, the results are complete.
    about = PngInfo()
    about.add_text(IMAGE_TAG, state)
    _write(indexed, photo.mask(out), about)
    return Areas(_counts(labels, artifact.num_classes))


def _areas_there(photo: Photo, out: Path, num_classes: int) -> Areas | None:
    """Areas of an image whose results exist and are up to date; None otherwise."""
    mask = photo.mask(out)
    if not all(path.is_file() for path in photo.results(out)):
        return None
    try:
        state = photo.state()
        if photo.is_scene:
            return areas_of_scene(mask, num_classes, state)
        return _areas_of_photograph(mask, num_classes, state)
    except DatasetError:
        return None


def _areas_of_photograph(mask: Path, num_classes: int, state: str) -> Areas | None:
    with opened(SourceFile(mask, str(mask))) as picture:
        if picture.info.get(IMAGE_TAG) != state:
            return None
        labels = np.asarray(picture)
    counts = _counts(labels, num_classes)
    return Areas(counts) if len(counts) == num_classes else None


def _counts(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Pixels of each class; those without data, 255, count in none."""
    valid = labels[labels != IGNORE_INDEX]
    return np.bincount(valid, minlength=num_classes)


def _outline(artifact: Artifact, photo: Photo, out: Path, kind: str) -> None:
    mask, path = photo.mask(out), photo.polygons(out, kind)
    if path.is_file() and path.stat().st_mtime_ns >= mask.stat().st_mtime_ns:
        return
    write_polygons(mask, path, [name for name, _ in legend(artifact)])


def _write(picture: Image.Image, path: Path, about: PngInfo | None = None) -> None:
    with atomic_write(path) as partial:
        picture.save(partial, pnginfo=about)
