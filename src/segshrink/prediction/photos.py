"""The images to segment, and where their results go."""

import struct
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from segshrink.data.images import IMAGE_SUFFIXES, name_fault
from segshrink.data.walking import folders_below, image_files
from segshrink.errors import DatasetError, UsageError

# Under this name a mask carries what image it is of; see `Photo.state`.
IMAGE_TAG = "IMAGE"

_TIFF_SUFFIXES = (".tif", ".tiff")
_BIG_TIFF = 43

# Of GeoTIFF: scale of pixels, tie points, transform, directory of keys; and GDAL's
# value for pixels without data.
_GEOREFERENCE_TAGS = {33550, 33922, 34264, 34735, 42113}


@dataclass(frozen=True)
class Photo:
    """An image to segment.

    Attributes:
        path: the image.
        name: of its results, without suffix, relative to the folder of results.
        is_scene: whether it is georeferenced, and read and written by windows.
    """

    path: Path
    name: Path
    is_scene: bool = False

    def mask(self, out: Path) -> Path:
        """The class indices: a PNG, of a scene a GeoTIFF."""
        return self._result(out, ".tif" if self.is_scene else ".png")

    def overlay(self, out: Path) -> Path:
        """The image with its classes in colour."""
        return self._result(out, "-overlay.png")

    def polygons(self, out: Path, kind: str) -> Path:
        """The outlines of the classes of a scene; `kind` is the file's suffix."""
        return self._result(out, f".{kind}")

    def state(self) -> str:
        """Size and time of change of the image, by which its results know it again.

        No path: results are passed on, and folders move.

        Raises:
            DatasetError: if there is no such file.
        """
        try:
            facts = self.path.stat()
        except OSError as error:
            raise DatasetError(
                f"{self.path}: cannot be read ({error.strerror}). Name an image that "
                "is there, or leave it out."
            ) from error
        return f"{facts.st_size} bytes, changed at {facts.st_mtime_ns} ns"

    def _result(self, out: Path, ending: str) -> Path:
        # Not with_suffix: a name may hold dots of its own.
        return out / self.name.with_name(f"{self.name.name}{ending}")


def find_photos(paths: Sequence[Path], out: Path) -> list[Photo]:
    """The images named, and all images in the folders named, at any depth.

    Links are followed. Hidden files and folders are left out, and what lies in `out`,
    results of an earlier call.

    Raises:
        UsageError: if a folder holds no image, or is `out` itself, or if names are not
            UTF-8.
    """
    photos, results = [], out.resolve()
    for path in map(Path, paths):
        if not path.is_dir():
            photos.append(Photo(path, Path(path.stem), is_georeferenced(path)))
            continue
        if path.resolve() == results:
            raise UsageError(
                f"{path}: results beside the images would be taken for images next "
                "time. Name another folder as --out."
            )
        found = sorted(
            file
            for folder in folders_below(path)
            for file in image_files(folder)
            if results not in file.resolve().parents
        )
        if not found:
            raise UsageError(
                f"{path}: holds no image ({', '.join(IMAGE_SUFFIXES)}) at any depth."
            )
        photos += [
            Photo(file, file.relative_to(path).with_suffix(""), is_georeferenced(file))
            for file in found
        ]
    _require_utf8([*(photo.path for photo in photos), out])
    return photos


def _require_utf8(paths: Sequence[Path]) -> None:
    # Found out now, and not when the table of areas is written.
    faults = [fault for path in paths if (fault := name_fault(path)) is not None]
    if faults:
        more = f", and {len(faults) - 1} more like it." if len(faults) > 1 else "."
        raise UsageError(faults[0].removesuffix(".") + more)


def is_georeferenced(path: Path) -> bool:
    """Whether a TIFF file says where its pixels lie, or which hold no data.

    The tags are read and no pixel, since Pillow knows fewer pixel formats than scenes
    come in. A file that cannot be read is no scene.
    """
    if path.suffix.lower() not in _TIFF_SUFFIXES:
        return False
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            # Of tags that are cut off; whoever reads the pixels will say so.
            warnings.simplefilter("ignore")
            header = file.read(8)
            if header[2] == _BIG_TIFF:
                header += file.read(8)
            directory = ImageFileDirectory_v2(header)
            file.seek(directory.next)
            directory.load(file)
    except (OSError, SyntaxError, ValueError, IndexError, struct.error):
        return False
    return not _GEOREFERENCE_TAGS.isdisjoint(directory)


def refuse_overwriting(photos: Sequence[Photo], out: Path) -> None:
    """Refuse results that would overwrite each other or an image.

    Raises:
        UsageError: naming them.
    """
    written = [path for x in photos for path in (x.mask(out), x.overlay(out))]
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
