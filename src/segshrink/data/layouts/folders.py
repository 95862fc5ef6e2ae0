"""Folders of images beside folders of masks, in any depth, with parts or without."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from segshrink.data.description import read_description
from segshrink.data.images import name_fault
from segshrink.data.layouts.describing import described_codes
from segshrink.data.layouts.layout import GivenSplit, ImagePair, Layout
from segshrink.data.layouts.lists import divided_by_lists, list_files
from segshrink.data.layouts.pairing import Place, pair_files, relative
from segshrink.data.layouts.parts import named_part, part_of, split_by_parts
from segshrink.data.names import image_stem
from segshrink.data.walking import folders_below, image_files, mask_files
from segshrink.errors import DatasetError

NAME = "folders"
SIGNS = (
    "**/images|**/image|**/imgs|**/img|**/img_dir|**/JPEGImages",
    "**/masks|**/mask|**/labels|**/annotations|**/ann_dir|**/SegmentationClass|**/gt",
)
TREE = """\
DATA/                 scenes (folders that hold images and masks), at any depth
  Tile 1/
    images/a.jpg
    masks/a.png       or a_mask.png
  Tile 2/ ...
  dataset.yaml        may name the classes

DATA/                 with a split; images/train and masks/train are read as well
  train/images/a.jpg
  train/masks/a.png
  val/ ...
  test/ ...           may be absent

DATA/                 each image is a scene of its own
  images/a.jpg
  masks/a.png
"""

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "img_dir", "jpegimages")
MASK_FOLDERS = (
    "masks",
    "mask",
    "labels",
    "label",
    "annotations",
    "annotation",
    "ann_dir",
    "segmentationclass",
    "gt",
)

_FLAT_NOTICE = (
    "Each image is taken as a scene of its own, since all are in one folder. "
    "If some show the same place, put each scene's images in a folder of its "
    "own, or give a split."
)
PARTS_NOTICE = (
    "The split is that of the folders {parts}; whether it keeps neighbouring images "
    "together is not known."
)


def read(root: Path) -> Layout | None:
    """Pair the images and masks of all folders of them; None if there is no such pair.

    An image's scene is the folder that holds `images`, with the folders below `images`;
    a lone part is a scene too, and images directly below the data set's folder are
    scenes of their own.
    """
    pairs: list[ImagePair] = []
    faults: list[str] = []
    parts: dict[str, str | None] = {}
    found = False
    endings = _band_endings(root)
    for holder in _holders(root):
        fault = name_fault(holder.relative_to(root))
        images, masks = _child(holder, IMAGE_FOLDERS), _child(holder, MASK_FOLDERS)
        if fault is not None:
            faults.append(fault)
        elif images is None or masks is None:
            faults += _lone_folder_faults(root, images, masks)
        else:
            found = True
            own, wrong = _pair_place(Place(root, images, masks, endings), parts)
            pairs += own
            faults += wrong
    if not found and not faults:
        return None
    faults += _stray_faults(root, parts)
    split = split_by_parts(sorted(parts.items()), f"folders {_listed(parts)}")
    if split is None:
        pairs = [by_itself(pair) if part_of(pair.scene) else pair for pair in pairs]
        pairs, split, wrong = divided_by_lists(_lists(root), pairs)
        faults += wrong
    return Layout(
        root,
        NAME,
        tuple(sorted(pairs, key=lambda pair: pair.name)),
        tuple(faults),
        notices=_notices(parts, pairs, split),
        split=split,
        code_names=described_codes(root),
    )


def _lists(root: Path) -> dict[str, Path]:
    places = (root, root / "splits", root / "ImageSets", root / "lists")
    return next((found for place in places if (found := list_files(place))), {})


def _band_endings(root: Path) -> tuple[str, ...]:
    try:
        description = read_description(root)
    except DatasetError:
        return ()  # reported with the other faults of the folder
    bands = description.bands if description else None
    return bands.files if bands else ()


def by_itself(pair: ImagePair) -> ImagePair:
    """The pair as a scene of its own."""
    return replace(pair, scene=pair.name)


def holds_masks(folder: Path) -> bool:
    """Whether a folder is one of masks, by its name and the images beside it."""
    folder = folder.resolve()
    name = folder.name.lower()
    if name.endswith("annot") and part_of(name.removesuffix("annot")):
        return (folder.parent / folder.name[: -len("annot")]).is_dir()
    return name in MASK_FOLDERS and _child(folder.parent, IMAGE_FOLDERS) is not None


def _holders(root: Path) -> Iterator[Path]:
    """Folders that hold one of images or one of masks, sorted by name.

    Folders below those of images and masks are not searched.
    """
    closed = {*IMAGE_FOLDERS, *MASK_FOLDERS}
    for folder in folders_below(root, closed=closed):
        if _child(folder, IMAGE_FOLDERS) or _child(folder, MASK_FOLDERS):
            yield folder


def _child(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The folder of one of these names in any case, the earlier name first."""
    found = {path.name.lower(): path for path in folder.iterdir() if path.is_dir()}
    return next((found[name] for name in names if name in found), None)


def _pair_place(
    place: Place, parts: dict[str, str | None]
) -> tuple[list[ImagePair], list[str]]:
    """Pairs and faults of one place; `parts` gets the part of each scene."""
    flat = place.images.parent == place.root

    def named(path: Path) -> tuple[str, str]:
        inner = path.parent.relative_to(place.images).parts
        folders = [*place.images.parent.relative_to(place.root).parts, *inner]
        part, others = named_part(folders)
        stem = image_stem(path, place.band_endings)
        scene = "/".join([*([part] if part else []), *others]) or stem
        parts[scene] = part
        return scene, scene if flat and not folders else f"{scene}/{stem}"

    images, masks = (
        _files_below(place.images, image_files),
        _files_below(place.masks, mask_files),
    )
    if not (images or masks):
        return [], [
            f"{relative(place.images, place.root)}: no image in it. Add images and "
            "their masks, or remove the folder."
        ]
    return pair_files(place, images, masks, named)


def _files_below(folder: Path, files: Callable[[Path], list[Path]]) -> list[Path]:
    return [path for each in folders_below(folder) for path in files(each)]


def _lone_folder_faults(
    root: Path, images: Path | None, masks: Path | None
) -> list[str]:
    lone, absent = (images, "masks") if images else (masks, "images")
    # A folder of that name without images, such as documentation, is not a scene.
    if lone is None or not _files_below(lone, mask_files):
        return []
    return [
        f"{relative(lone, root)}: has no {absent} folder beside it. "
        f"Add {relative(lone.parent / absent, root)}, or rename {lone.name} to leave "
        "it out."
    ]


def _stray_faults(root: Path, parts: dict[str, str | None]) -> list[str]:
    """Scenes in no part, where others are in one: nobody said what they are for."""
    without = sorted(scene for scene, part in parts.items() if part is None)
    named = {part for part in parts.values() if part is not None}
    if not without or len(named) < 2:
        return []
    return [
        f"{scene}: in no part, but others are in {_listed(parts)}. Move it into one of "
        "these folders, or give a split with --split."
        for scene in without
    ]


def _listed(parts: dict[str, str | None]) -> str:
    named = [part for part in ("train", "val", "test") if part in parts.values()]
    return (
        ", ".join(named[:-1]) + f" and {named[-1]}"
        if len(named) > 1
        else "".join(named)
    )


def _notices(
    parts: dict[str, str | None], pairs: list[ImagePair], split: GivenSplit | None
) -> tuple[str, ...]:
    if len({part for part in parts.values() if part is not None}) >= 2:
        return (PARTS_NOTICE.format(parts=_listed(parts)),)
    if split is None and any(pair.scene == pair.name for pair in pairs):
        return (_FLAT_NOTICE,)
    return ()
