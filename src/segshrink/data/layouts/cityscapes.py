"""Cityscapes: images in `leftImg8bit`, masks in `gtFine`, a scene for each city."""

from pathlib import Path

from segshrink.data.layouts.layout import CodeNames, ImagePair, Layout
from segshrink.data.layouts.pairing import relative, source_file
from segshrink.data.layouts.parts import named_part, split_by_parts
from segshrink.data.walking import folders_below, image_files

NAME = "cityscapes"
SIGNS = ("leftImg8bit", "gtFine|gtCoarse")
TREE = """\
DATA/
  leftImg8bit/train/aachen/a_leftImg8bit.png
  gtFine/train/aachen/a_gtFine_labelIds.png     or a_gtFine_labelTrainIds.png
  leftImg8bit/val ...
"""

# Cordts et al., The Cityscapes dataset, 2016: the classes that are scored, their ids
# and their colours.
_CLASSES = {
    7: ("road", (128, 64, 128)),
    8: ("sidewalk", (244, 35, 232)),
    11: ("building", (70, 70, 70)),
    12: ("wall", (102, 102, 156)),
    13: ("fence", (190, 153, 153)),
    17: ("pole", (153, 153, 153)),
    19: ("traffic light", (250, 170, 30)),
    20: ("traffic sign", (220, 220, 0)),
    21: ("vegetation", (107, 142, 35)),
    22: ("terrain", (152, 251, 152)),
    23: ("sky", (70, 130, 180)),
    24: ("person", (220, 20, 60)),
    25: ("rider", (255, 0, 0)),
    26: ("car", (0, 0, 142)),
    27: ("truck", (0, 0, 70)),
    28: ("bus", (0, 60, 100)),
    31: ("train", (0, 80, 100)),
    32: ("motorcycle", (0, 0, 230)),
    33: ("bicycle", (119, 11, 32)),
}
_MOST_ID = 33
_ENDING = "_leftImg8bit"


def read(root: Path) -> Layout | None:
    """Pair each image with its mask of ids, or of training ids if those are there."""
    images = root / "leftImg8bit"
    masks = next((x for x in (root / "gtFine", root / "gtCoarse") if x.is_dir()), None)
    if not images.is_dir() or masks is None:
        return None
    found = {
        path.name for folder in folders_below(masks) for path in image_files(folder)
    }
    kind = "labelTrainIds" if any("_labelTrainIds" in n for n in found) else "labelIds"
    pairs: list[ImagePair] = []
    faults: list[str] = []
    parts: dict[str, str | None] = {}
    for folder in folders_below(images):
        inner = folder.relative_to(images)
        part, others = named_part(inner.parts)
        scene = "/".join([*([part] if part else []), *others])
        for path in image_files(folder):
            stem = path.stem.removesuffix(_ENDING)
            mask = masks / inner / f"{stem}_{masks.name}_{kind}.png"
            if mask.is_file():
                own = scene or stem
                parts[own] = part
                name = f"{scene}/{stem}" if scene else stem
                files = source_file(path, root), source_file(mask, root)
                pairs.append(ImagePair(own, name, *files))
            else:
                faults.append(
                    f"{relative(path, root)}: has no mask. Add {relative(mask, root)} "
                    "or remove the image."
                )
    return Layout(
        root,
        NAME,
        tuple(pairs),
        tuple(faults),
        split=split_by_parts(sorted(parts.items()), "folders of Cityscapes"),
        code_names=_codes(by_id=kind == "labelIds"),
        by_index=True,
    )


def _codes(*, by_id: bool) -> CodeNames:
    indices = list(_CLASSES) if by_id else list(range(len(_CLASSES)))
    void = [x for x in range(_MOST_ID + 1) if x not in _CLASSES] if by_id else []
    entries = dict(zip(indices, _CLASSES.values(), strict=True))
    return CodeNames(
        "Cityscapes",
        by_index=True,
        names={index: name for index, (name, _) in entries.items()},
        void=(*void, 255),
        colors={index: color for index, (_, color) in entries.items()},
    )
