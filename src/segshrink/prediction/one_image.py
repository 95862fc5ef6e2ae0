"""Segment image files; keep the result as pictures and a table of areas."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segshrink.data.description import distinct_color
from segshrink.data.images import IMAGE_SUFFIXES, SourceFile, read_image
from segshrink.errors import DatasetError, RunFolderError, UsageError
from segshrink.progress import Progress, SilentProgress
from segshrink.records import read_json, sha256_of, write_json, written_whole
from segshrink.runtimes import Artifact, classes_of_image

_OVERLAY_OPACITY = 0.45
_ABOUT = "predicted.json"
AREAS = "areas.csv"

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Photo:
    """An image to segment.

    Attributes:
        path: the image.
        name: of its results, without suffix, relative to the folder of results.
    """

    path: Path
    name: Path

    def mask(self, out: Path) -> Path:
        """The class-index PNG."""
        return out / self.name.with_name(f"{self.name.name}.png")

    def overlay(self, out: Path) -> Path:
        """The image with its classes in colour."""
        return out / self.name.with_name(f"{self.name.name}-overlay.png")


@dataclass(frozen=True)
class Outcome:
    """What came of many images.

    Attributes:
        done: images that were segmented now.
        kept: images whose results were there already.
        faults: a line for each image that cannot be read.
    """

    done: int
    kept: int
    faults: tuple[str, ...]


def find_photos(paths: Sequence[Path], out: Path) -> list[Photo]:
    """The images named, and all images in the folders named, at any depth.

    What lies in `out`, results of an earlier call, is left out.

    Raises:
        UsageError: if a folder holds no image, or is `out` itself.
    """
    photos, results = [], out.resolve()
    for path in map(Path, paths):
        if not path.is_dir():
            photos.append(Photo(path, Path(path.stem)))
            continue
        if path.resolve() == results:
            raise UsageError(
                f"{path}: results beside the images would be taken for images next "
                "time. Name another folder as --out."
            )
        found = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in IMAGE_SUFFIXES
            and file.is_file()
            and results not in file.resolve().parents
        )
        if not found:
            raise UsageError(
                f"{path}: holds no image ({', '.join(IMAGE_SUFFIXES)}) at any depth."
            )
        photos += [
            Photo(file, file.relative_to(path).with_suffix("")) for file in found
        ]
    return photos


def segment_files(
    artifact: Artifact,
    photos: Sequence[Photo],
    out: Path,
    *,
    progress: Progress | None = None,
) -> Outcome:
    """Segment every image into `out`, and write the areas of its classes.

    `out` gets of each image a class-index PNG with a palette and a coloured overlay,
    and `areas.csv` of all of them. A call that was killed goes on: what is there and
    not older than its image is kept. An image that cannot be read does not stop the
    rest.

    Args:
        artifact: an opened model file.
        photos: from `find_photos`.
        out: folder to write into; made if missing.
        progress: told of every image.

    Raises:
        UsageError: if results would overwrite each other or an image.
        RunFolderError: if `out` holds results of another model.
    """
    progress = progress or SilentProgress()
    _refuse_overwriting(photos, out)
    _claim(out, artifact)
    names = [name for name, _ in legend(artifact)]
    rows: list[tuple[str, np.ndarray]] = []
    faults, kept = [], 0
    progress.start("predict", len(photos))
    for photo in photos:
        counts = _counts_there(photo, out, len(names))
        if counts is not None:
            kept += 1
        else:
            try:
                counts = segment_file(artifact, photo, out)
            except DatasetError as error:
                faults.append(str(error))
        if counts is not None:
            rows.append((str(photo.path), counts))
        progress.advance(image=photo.path.name)
    progress.finish()
    _write_areas(out / AREAS, names, rows)
    return Outcome(len(rows) - kept, kept, tuple(faults))


def segment_file(artifact: Artifact, photo: Photo, out: Path) -> np.ndarray:
    """Write mask and overlay of one image of any size.

    Returns:
        Pixels of each class, int64 `(classes,)`.

    Raises:
        DatasetError: if the image cannot be read.
    """
    image = read_image(SourceFile(photo.path, str(photo.path)))
    labels = classes_of_image(artifact, image)
    colors = [color for _, color in legend(artifact)]
    painted = np.array(colors, np.float32)[labels]
    blended = (1 - _OVERLAY_OPACITY) * image + _OVERLAY_OPACITY * painted
    _write(Image.fromarray(blended.astype(np.uint8)), photo.overlay(out))
    indexed = Image.fromarray(labels, mode="P")
    indexed.putpalette([value for color in colors for value in color])
    # Last: where it is, everything of the image is.
    _write(indexed, photo.mask(out))
    return np.bincount(labels.ravel(), minlength=artifact.num_classes)


def legend(artifact: Artifact) -> list[tuple[str, Color]]:
    """Name and colour of each class: the file's own, or made up if it has none."""
    own = (artifact.facts or {}).get("classes")
    try:
        found = [_entry(each) for each in own or ()]
    except (KeyError, TypeError, ValueError):
        found = []
    if len(found) == artifact.num_classes:
        return found
    return [(f"class {i}", distinct_color(i)) for i in range(artifact.num_classes)]


def _entry(entry: Any) -> tuple[str, Color]:
    red, green, blue = (int(value) for value in entry["color"])
    return str(entry["name"]), (red, green, blue)


def _refuse_overwriting(photos: Sequence[Photo], out: Path) -> None:
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


def _claim(out: Path, artifact: Artifact) -> None:
    """Say in the folder whose results it holds."""
    about = {"model": artifact.path.name, "sha256": sha256_of(artifact.path)}
    path = out / _ABOUT
    if not path.is_file():
        write_json(path, about)
        return
    found = read_json(path)
    if not isinstance(found, dict) or found.get("sha256") != about["sha256"]:
        name = found.get("model") if isinstance(found, dict) else None
        raise RunFolderError(
            f"{out}: holds what another model{f' ({name})' if name else ''} predicted. "
            "Name another folder, or delete this one."
        )


def _counts_there(photo: Photo, out: Path, num_classes: int) -> np.ndarray | None:
    """Pixels of each class in results that are there and not older than the image."""
    mask = photo.mask(out)
    try:
        if mask.stat().st_mtime_ns < photo.path.stat().st_mtime_ns:
            return None
        if not photo.overlay(out).is_file():
            return None
        with Image.open(mask) as picture:
            labels = np.asarray(picture)
    except OSError:
        return None
    counts = np.bincount(labels.ravel(), minlength=num_classes)
    return counts if len(counts) == num_classes else None


def _write_areas(
    path: Path, names: Sequence[str], rows: Sequence[tuple[str, np.ndarray]]
) -> None:
    with (
        written_whole(path) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(("image", "class", "pixels", "share"))
        for image, counts in rows:
            for name, count in zip(names, counts, strict=True):
                share = count / counts.sum()
                writer.writerow((image, name, int(count), f"{share:.6f}"))


def _write(picture: Image.Image, path: Path) -> None:
    with written_whole(path) as partial:
        picture.save(partial)
