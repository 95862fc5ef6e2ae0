"""The images to segment, and where their results go."""

import hashlib
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from segshrink.data.band_reading import files_of_bands
from segshrink.data.geotiff import is_georeferenced
from segshrink.data.images import IMAGE_SUFFIXES, SourceFile, name_fault
from segshrink.data.layouts import find_layout
from segshrink.data.names import first_of_bands
from segshrink.data.walking import folders_below, image_files
from segshrink.errors import DatasetError, SegshrinkWarning, UsageError

# A mask stores the state of its image under this name; see `Photo.state`.
IMAGE_TAG = "IMAGE"

# File systems take names of 255 bytes, of which the longest ending takes 15 and the
# name while a file is written 10 more.
_MOST_NAME_BYTES = 220
_HASH_DIGITS = 12


@dataclass(frozen=True)
class Photo:
    """An image to segment.

    Attributes:
        path: the image file.
        name: name of its results, without suffix, relative to the folder of results.
        is_scene: whether it is georeferenced, and read and written by windows.
        has_confidence: whether the confidence of its pixels is written, too.
        bands: the files of one band each of which it consists; empty if it is one file.
    """

    path: Path
    name: Path
    is_scene: bool = False
    has_confidence: bool = False
    bands: tuple[Path, ...] = ()

    def mask(self, out: Path) -> Path:
        """The class indices: a PNG, or a GeoTIFF for a scene."""
        return self._result(out, ".tif" if self.is_scene else ".png")

    def overlay(self, out: Path) -> Path:
        """The image with its classes in colour."""
        return self._result(out, "-overlay.png")

    def confidence(self, out: Path) -> Path:
        """The largest probability of each pixel, of the kind of the class indices."""
        return self._result(out, f"-confidence{self.mask(out).suffix}")

    def results(self, out: Path) -> list[Path]:
        """Mask, overlay and, where it is wanted, confidence."""
        results = [self.mask(out), self.overlay(out)]
        return results + [self.confidence(out)] * self.has_confidence

    def polygons(self, out: Path, kind: str) -> Path:
        """The outlines of the classes of a scene; `kind` is the file's suffix."""
        return self._result(out, f".{kind}")

    def state(self) -> str:
        """Size and time of change of the image, by which its results recognize it.

        The path is left out, since results are passed on and folders are moved.

        Raises:
            DatasetError: if there is no such file.
        """
        return "; ".join(map(_state_of, self.bands or (self.path,)))

    def _result(self, out: Path, ending: str) -> Path:
        # A name may contain dots, which with_suffix would take for a suffix.
        return out / self.name.with_name(f"{self.name.name}{ending}")


def _state_of(path: Path) -> str:
    try:
        status = path.stat()
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read ({error.strerror}). Name an image that is there, "
            "or leave it out."
        ) from error
    return f"{status.st_size} bytes, changed at {status.st_mtime_ns} ns"


def find_photos(
    paths: Sequence[Path],
    out: Path,
    *,
    band_endings: Sequence[str] = (),
    pattern: str | None = None,
) -> list[Photo]:
    """The images named, and all images in the folders named, at any depth.

    Links are followed. Hidden files and folders are left out, and so are the results of
    an earlier call in `out`. Where a folder is a data set of a known layout, its masks
    are no images; a pattern chooses instead.

    Args:
        paths: images and folders.
        out: folder of the results.
        band_endings: endings of the names of files of one band each, of which that of
            the first one is the image; empty if one file holds an image.
        pattern: only files in folders whose name, or path below the folder, it
            matches, such as `"*.jpg"` or `"train/images/*"`.

    Raises:
        UsageError: if a folder holds no image (that the pattern matches), or is `out`
            itself, if names are not UTF-8, or if the pattern has no effect.

    Warns:
        SegshrinkWarning: if names had to be shortened to take the endings of results,
            or if masks were left out.
    """
    photos, results = [], out.resolve()
    if pattern is not None and not any(Path(path).is_dir() for path in paths):
        raise UsageError("--pattern chooses among the files of folders. Name one.")
    for path in map(Path, paths):
        if not path.is_dir():
            photos.append(_photo(path, Path(path.name), band_endings))
            continue
        if path.resolve() == results:
            raise UsageError(
                f"{path}: results beside the images would be taken for images next "
                "time. Name another folder as --out."
            )
        found = sorted(
            file
            for folder in folders_below(path)
            for file in first_of_bands(image_files(folder), band_endings)
            if results not in file.resolve().parents
        )
        if not found:
            raise UsageError(
                f"{path}: holds no image ({', '.join(IMAGE_SUFFIXES)}) at any depth."
            )
        found = _matching(found, path, pattern) if pattern else _images(found, path)
        photos += [_photo(file, file.relative_to(path), band_endings) for file in found]
    _require_utf8([*(photo.path for photo in photos), out])
    _tell_shortened(photos)
    return photos


def _matching(files: list[Path], root: Path, pattern: str) -> list[Path]:
    below = {file: file.relative_to(root).as_posix() for file in files}
    chosen = [
        file
        for file, place in below.items()
        if fnmatchcase(file.name, pattern) or fnmatchcase(place, pattern)
    ]
    if not chosen:
        raise UsageError(
            f"{root}: none of its {len(files)} images matches --pattern {pattern}. The "
            f"first is {below[files[0]]}."
        )
    return chosen


def _images(files: list[Path], root: Path) -> list[Path]:
    """The files without the masks of a data set."""
    try:
        layout = find_layout(root)
    except DatasetError:
        return files
    masks = {x.mask.path for x in layout.pairs if isinstance(x.mask, SourceFile)}
    masks -= {pair.image.path for pair in layout.pairs}
    images = [file for file in files if file not in masks]
    if len(images) < len(files):
        warnings.warn(
            f"{root}: a data set of the layout {layout.name}; its "
            f"{len(files) - len(images)} masks are left out. --pattern chooses other "
            "files.",
            SegshrinkWarning,
            stacklevel=3,
        )
    return images


def _photo(path: Path, name: Path, band_endings: Sequence[str]) -> Photo:
    # Files of one band each are read together, whatever one of them says.
    is_scene = not band_endings and is_georeferenced(path)
    stem = name.stem.removesuffix(band_endings[0]) if band_endings else name.stem
    bands = tuple(files_of_bands(path, band_endings)) if band_endings else ()
    return Photo(path, name.with_name(_short(stem)), is_scene, bands=bands)


def _short(stem: str) -> str:
    """A name to which the endings of results can be added; a hash keeps it apart."""
    encoded = os.fsencode(stem)
    if len(encoded) <= _MOST_NAME_BYTES:
        return stem
    digest = hashlib.sha256(encoded).hexdigest()[:_HASH_DIGITS]
    begin = encoded[: _MOST_NAME_BYTES - _HASH_DIGITS - 1].decode(errors="ignore")
    return f"{begin}-{digest}"


def _tell_shortened(photos: Sequence[Photo]) -> None:
    short = [x for x in photos if len(os.fsencode(x.path.stem)) > _MOST_NAME_BYTES]
    if short:
        names = "1 name" if len(short) == 1 else f"{len(short)} names"
        warnings.warn(
            f"{names} of more than {_MOST_NAME_BYTES} bytes leave no room for the "
            f"endings of results: {short[0].path.stem[:40]}... becomes "
            f"{short[0].name.name}.",
            SegshrinkWarning,
            stacklevel=3,
        )


def _require_utf8(paths: Sequence[Path]) -> None:
    # Checked now, and not when the table of areas is written.
    faults = [fault for path in paths if (fault := name_fault(path)) is not None]
    if faults:
        more = f", and {len(faults) - 1} more like it." if len(faults) > 1 else "."
        raise UsageError(faults[0].removesuffix(".") + more)


def refuse_overwriting(photos: Sequence[Photo], out: Path) -> None:
    """Refuse results that would overwrite each other or an image.

    Raises:
        UsageError: naming them.
    """
    written = [path for x in photos for path in x.results(out)]
    seen: set[Path] = set()
    doubles = sorted(
        {path.name for path in written if path in seen or seen.add(path)}  # type: ignore[func-returns-value]
    )
    if doubles:
        raise UsageError(
            f"The results {', '.join(doubles)} of several images would overwrite each "
            "other. Predict images of the same name into different folders."
        )
    originals = {photo.path.resolve() for photo in photos}
    lost = sorted(path.name for path in written if path.resolve() in originals)
    if lost:
        raise UsageError(
            f"The results would overwrite the images {', '.join(lost)}. "
            "Name another folder as --out."
        )
