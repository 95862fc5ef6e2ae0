"""Search for images and their masks in a folder."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from segshrink.data.images import (
    JPEG_SUFFIXES,
    SourceFile,
    name_fault,
    shown_path,
)
from segshrink.data.names import composed, pairing_stem
from segshrink.data.walking import folders_below, image_files
from segshrink.errors import DatasetError

PART_NAMES = ("train", "val", "test")

_IMAGES, _MASKS = "images", "masks"
_MASK_FOLDER_OF_PART = {part: f"{part}annot" for part in PART_NAMES}


class LayoutKind(StrEnum):
    """Arrangement of images and masks in a folder."""

    SCENES = "scenes"
    """`images` and `masks` in a folder for each scene, at any depth."""
    FLAT = "flat"
    """`images` and `masks` in the given folder; each image is its own scene."""
    PARTS = "parts"
    """CamVid's `train` and `trainannot` and so on; each part is one scene."""

    @property
    def folders(self) -> str:
        """Folders of this arrangement, as messages list them."""
        return _TRAITS[self].folders

    @property
    def notice(self) -> str | None:
        """Sentences for users about what follows from it; None if nothing does."""
        return _TRAITS[self].notice

    @property
    def has_split(self) -> bool:
        """Whether the folders are the split: its scenes are named as `PART_NAMES`."""
        return _TRAITS[self].has_split


@dataclass(frozen=True, kw_only=True)
class _Traits:
    """The properties of a `LayoutKind`, under the same names."""

    folders: str
    notice: str | None = None
    has_split: bool = False


_TRAITS = {
    LayoutKind.SCENES: _Traits(folders="SCENE/images and SCENE/masks at any depth"),
    LayoutKind.FLAT: _Traits(
        folders="images and masks",
        notice=(
            "Each image is taken as a scene of its own, since all are in one folder. "
            "If some show the same place, put each scene's images in a folder of its "
            "own, or give a split."
        ),
    ),
    LayoutKind.PARTS: _Traits(
        folders="train, trainannot, val, valannot, test and testannot",
        notice=(
            "The split is that of the folders train, val and test; whether it keeps "
            "neighbouring images together is not known."
        ),
        has_split=True,
    ),
}
_EXPECTED = f"Expected one of: {'; '.join(each.folders for each in LayoutKind)}."


@dataclass(frozen=True)
class ImagePair:
    """An image and its mask.

    Attributes:
        scene: the scene's name, unique in the data set.
        name: the image's name, unique in the data set.
        image: the RGB image.
        mask: the mask.
    """

    scene: str
    name: str
    image: SourceFile
    mask: SourceFile


@dataclass(frozen=True)
class Layout:
    """Images and masks that were found in a folder.

    Attributes:
        root: the folder.
        kind: arrangement of the folder.
        pairs: the images that have a mask, ordered by name.
        faults: faults of single files, one message each.
    """

    root: Path
    kind: LayoutKind
    pairs: tuple[ImagePair, ...]
    faults: tuple[str, ...]

    @property
    def scenes(self) -> tuple[str, ...]:
        """Names of all scenes, sorted."""
        return tuple(sorted({pair.scene for pair in self.pairs}))


def find_layout(root: Path) -> Layout:
    """Recognise how a folder is arranged and pair its images with their masks.

    Raises:
        DatasetError: if the folder is missing, empty or arranged in no known way.
            Faults of single files are collected in `Layout.faults` instead.
    """
    _require_folder(root)
    if any((root / folder).is_dir() for folder in _MASK_FOLDER_OF_PART.values()):
        return _parts_layout(root)
    if (root / _IMAGES).is_dir() and (root / _MASKS).is_dir():
        return _flat_layout(root)
    return _scenes_layout(root)


def holds_masks(folder: Path) -> bool:
    """Whether a folder is one of masks, by its name and the images beside it."""
    images_of = {masks: part for part, masks in _MASK_FOLDER_OF_PART.items()}
    images_of[_MASKS] = _IMAGES
    name = folder.resolve().name
    return name in images_of and (folder.resolve().parent / images_of[name]).is_dir()


def _require_folder(root: Path) -> None:
    # Records name a data set by its folder.
    fault = name_fault(root.resolve())
    if fault is not None:
        raise DatasetError(fault)
    if not root.exists():
        raise DatasetError(
            f"{root}: no such folder. Name the folder that holds the images and masks."
        )
    if not root.is_dir():
        raise DatasetError(
            f"{root}: a file, but a data set is a folder. "
            "Name the folder that holds the images and masks."
        )
    if not any(root.iterdir()):
        raise DatasetError(f"{root}: the folder is empty. {_EXPECTED}")


def _parts_layout(root: Path) -> Layout:
    pairs: list[ImagePair] = []
    faults: list[str] = []
    for part in PART_NAMES:
        images, masks = root / part, root / _MASK_FOLDER_OF_PART[part]
        missing = [folder.name for folder in (images, masks) if not folder.is_dir()]
        if missing:
            faults.append(f"{' and '.join(missing)}: missing. {_EXPECTED}")
            continue
        found, wrong = _pair_files(root, images, masks, scene=part)
        pairs += found
        faults += wrong
    return Layout(root, LayoutKind.PARTS, tuple(pairs), tuple(faults))


def _flat_layout(root: Path) -> Layout:
    pairs, faults = _pair_files(root, root / _IMAGES, root / _MASKS, scene=None)
    for folder in _scene_folders(root):
        if folder != root:
            faults.append(
                f"{_relative(folder, root)}: a scene beside {_IMAGES} and {_MASKS} of "
                "the folder itself. Have either scenes or plain images, not both."
            )
    return Layout(root, LayoutKind.FLAT, tuple(pairs), tuple(faults))


def _scenes_layout(root: Path) -> Layout:
    pairs: list[ImagePair] = []
    faults: list[str] = []
    for folder in _scene_folders(root):
        fault = name_fault(folder.relative_to(root))
        if fault is not None:
            faults.append(fault)
            continue
        images, masks = folder / _IMAGES, folder / _MASKS
        if images.is_dir() and masks.is_dir():
            scene = composed(_relative(folder, root))
            found, wrong = _pair_files(root, images, masks, scene=scene)
            pairs += found
            faults += wrong
        else:
            faults += _lone_folder_faults(root, images, masks)
    if not pairs and not faults:
        raise DatasetError(
            f"{root}: no images with masks in this folder or below. {_EXPECTED}"
        )
    return Layout(root, LayoutKind.SCENES, tuple(pairs), tuple(faults))


def _scene_folders(root: Path) -> Iterator[Path]:
    """Folders that hold `images` or `masks`, following links, sorted by name.

    Folders below `images` and `masks` are not searched.
    """
    for folder in folders_below(root, closed=(_IMAGES, _MASKS)):
        if (folder / _IMAGES).is_dir() or (folder / _MASKS).is_dir():
            yield folder


def _lone_folder_faults(root: Path, images: Path, masks: Path) -> list[str]:
    lone, absent = (images, masks) if images.is_dir() else (masks, images)
    # A folder of that name without images, such as documentation, is not a scene.
    if not image_files(lone):
        return []
    return [
        f"{_relative(lone, root)}: has no {absent.name} folder beside it. "
        f"Add {_relative(absent, root)}, or rename {lone.name} to leave it out."
    ]


def _pair_files(
    root: Path, images: Path, masks: Path, *, scene: str | None
) -> tuple[list[ImagePair], list[str]]:
    """Pair files by stem; without `scene`, each image is a scene named by its stem."""
    found_images, faults = _well_named(root, image_files(images))
    found_masks, wrong = _well_named(root, image_files(masks))
    faults += wrong + _doubled_stems(root, found_images)
    faults += _doubled_stems(root, found_masks)
    image_by_stem = {pairing_stem(path): path for path in found_images}
    mask_by_stem = {pairing_stem(path): path for path in found_masks}
    faults += _orphans(root, image_by_stem, mask_by_stem, masks)
    faults += _jpeg_masks(root, found_masks)
    if not (found_images or found_masks or faults):
        faults.append(
            f"{_relative(images, root)}: no image in it. Add images and their masks, "
            "or remove the folder."
        )
    pairs = [
        ImagePair(
            scene=stem if scene is None else scene,
            name=stem if scene is None else f"{scene}/{stem}",
            image=_source_file(image_by_stem[stem], root),
            mask=_source_file(mask_by_stem[stem], root),
        )
        for stem in sorted(image_by_stem.keys() & mask_by_stem.keys())
    ]
    return pairs, faults


def _well_named(root: Path, files: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """The files whose names are UTF-8, and a fault for each other one."""
    faults = {path: name_fault(path.relative_to(root)) for path in files}
    return (
        [path for path, fault in faults.items() if fault is None],
        [fault for fault in faults.values() if fault is not None],
    )


def _doubled_stems(root: Path, files: Iterable[Path]) -> list[str]:
    first: dict[str, Path] = {}
    faults = []
    for path in files:
        stem = pairing_stem(path)
        if stem in first:
            faults.append(
                f"{_relative(path, root)}: {first[stem].name} has the same name, "
                "and images and masks are matched by name without ending. "
                "Remove or rename one."
            )
        first.setdefault(stem, path)
    return faults


def _orphans(
    root: Path, images: dict[str, Path], masks: dict[str, Path], mask_folder: Path
) -> list[str]:
    faults = [
        f"{_relative(images[stem], root)}: has no mask. "
        f"Add {_relative(mask_folder / stem, root)}.png or remove the image."
        for stem in sorted(images.keys() - masks.keys())
    ]
    faults += [
        f"{_relative(masks[stem], root)}: a mask without its image. "
        f"Add the image {stem}, or remove the mask."
        for stem in sorted(masks.keys() - images.keys())
    ]
    return faults


def _jpeg_masks(root: Path, masks: Iterable[Path]) -> list[str]:
    return [
        f"{_relative(path, root)}: a mask cannot be JPEG, which changes its colours. "
        "Export it as PNG."
        for path in masks
        if path.suffix.lower() in JPEG_SUFFIXES
    ]


def _source_file(path: Path, root: Path) -> SourceFile:
    return SourceFile(path, _relative(path, root))


def _relative(path: Path, root: Path) -> str:
    return shown_path(path.relative_to(root))
