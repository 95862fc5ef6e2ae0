"""Pairing of images and masks by their names, and the faults of those without other."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from segshrink.data.images import (
    IMAGE_SUFFIXES,
    SourceFile,
    name_fault,
    shown_path,
)
from segshrink.data.layouts.layout import ImagePair
from segshrink.data.names import (
    composed,
    first_of_bands,
    image_stem,
    pairing_stem,
)

# What tools and people append to the name of an image to name its mask.
MASK_ENDINGS = (
    "_mask",
    "_masks",
    "-mask",
    "_segmentation",
    "_seg",
    "_label",
    "_labels",
    "_gt",
    "_annotation",
    "_lab",
    "_l",
)
MASK_BEGINNINGS = ("mask_", "label_", "gt_", "seg_")


def mask_stems(path: Path) -> list[str]:
    """Stems of images that a mask of this name may belong to, the likeliest first."""
    stem = pairing_stem(path)
    stems = [stem]
    inner = Path(stem)
    if inner.suffix.lower() in IMAGE_SUFFIXES:  # x.jpg.png
        stems.append(inner.stem)
    lower = stem.lower()
    stems += [stem[: -len(end)] for end in MASK_ENDINGS if lower.endswith(end)]
    stems += [
        stem[len(first) :] for first in MASK_BEGINNINGS if lower.startswith(first)
    ]
    return [each for each in stems if each]


@dataclass(frozen=True)
class Place:
    """A folder of images and one of masks, whose files pair by name.

    Attributes:
        root: the folder of the data set.
        images: folder of the images.
        masks: folder of the masks, which may be the same.
        band_endings: endings of the names of files of one band each; empty if one file
            holds an image.
    """

    root: Path
    images: Path
    masks: Path
    band_endings: tuple[str, ...] = ()


def pair_files(
    place: Place,
    image_paths: Iterable[Path],
    mask_paths: Iterable[Path],
    named: Callable[[Path], tuple[str, str]],
) -> tuple[list[ImagePair], list[str]]:
    """Pair the images and masks of a place.

    Args:
        place: their folders.
        image_paths: images below `place.images`.
        mask_paths: masks below `place.masks`.
        named: (scene, name) of an image.

    Returns:
        (pairs, faults): pairs by name, and a fault for each file that has none.
    """
    root = place.root
    endings = place.band_endings
    found_images, faults = _well_named(root, first_of_bands(image_paths, endings))
    found_masks, wrong = _well_named(root, mask_paths)
    images, doubled = _by_key(root, found_images, place.images, endings)
    faults += wrong + doubled
    masks, wrong = _masks_by_image(place, found_masks, images)
    faults += wrong
    faults += [
        f"{relative(path, root)}: has no mask. Add "
        f"{relative(place.masks / key, root)}.png or remove the image."
        for key, path in sorted(images.items())
        if key not in masks
    ]
    pairs = [
        ImagePair(*named(path), source_file(path, root), source_file(masks[key], root))
        for key, path in sorted(images.items())
        if key in masks
    ]
    return pairs, faults


def _by_key(
    root: Path, files: Iterable[Path], folder: Path, endings: tuple[str, ...]
) -> tuple[dict[str, Path], list[str]]:
    by_key: dict[str, Path] = {}
    faults = []
    for path in files:
        key = _key(path, folder, image_stem(path, endings))
        if key in by_key:
            faults.append(
                f"{relative(path, root)}: {by_key[key].name} has the same name, "
                "and images and masks are matched by name without ending. "
                "Remove or rename one."
            )
        by_key.setdefault(key, path)
    return by_key, faults


def _key(path: Path, folder: Path, stem: str) -> str:
    inner = _below(path.parent, folder)
    return composed(f"{inner}/{shown_path(Path(stem))}" if inner != "." else stem)


def _masks_by_image(
    place: Place, paths: Iterable[Path], images: Mapping[str, Path]
) -> tuple[dict[str, Path], list[str]]:
    """Masks by the key of their image; faults of masks without an image."""
    masks: dict[str, Path] = {}
    faults = []
    for path in paths:
        keys = [_key(path, place.masks, stem) for stem in mask_stems(path)]
        key = next((each for each in keys if each in images), None)
        where = relative(path, place.root)
        if key is None:
            faults.append(
                f"{where}: a mask without its image. Add the image "
                f"{pairing_stem(path)}, or remove the mask."
            )
        elif key in masks:
            faults.append(
                f"{where}: {masks[key].name} is a mask of the same image, and images "
                "and masks are matched by name without ending. Remove or rename one."
            )
        else:
            masks[key] = path
    return masks, faults


def _well_named(root: Path, files: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """The files whose names are UTF-8, and a fault for each other one."""
    sound, faults = [], []
    for path in files:
        try:
            os.fspath(path).encode()
        except UnicodeEncodeError:
            faults.append(name_fault(path.relative_to(root)) or "")
        else:
            sound.append(path)
    return sound, faults


def _below(path: Path, folder: Path) -> str:
    """A path below a folder with forward slashes; "." for the folder itself."""
    # pathlib takes a second for the files of a large data set.
    whole, start = os.fspath(path), os.fspath(folder)
    if os.sep != "/" or not whole.startswith(f"{start}/"):
        return shown_path(path.relative_to(folder))
    return os.fsencode(whole[len(start) + 1 :]).decode(errors="backslashreplace")


def source_file(path: Path, root: Path) -> SourceFile:
    """A file of a data set, which messages name relative to its folder."""
    return SourceFile(path, relative(path, root))


def relative(path: Path, root: Path) -> str:
    """The path below the data set's folder, as messages show it."""
    return _below(path, root)
