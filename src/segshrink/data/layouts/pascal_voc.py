"""Pascal VOC, and what CVAT and Datumaro export in its folders."""

from pathlib import Path

from segshrink.data.classes import pack_color
from segshrink.data.description import distinct_color
from segshrink.data.images import SourceFile, read_header
from segshrink.data.layouts.describing import described_codes
from segshrink.data.layouts.layout import CodeNames, ImagePair, Layout
from segshrink.data.layouts.lists import divided_by_lists, list_files
from segshrink.data.layouts.pairing import Place, pair_files
from segshrink.data.names import pairing_stem
from segshrink.data.walking import image_files, mask_files
from segshrink.errors import DatasetError

NAME = "voc"
SIGNS = ("**/JPEGImages", "**/SegmentationClass")
TREE = """\
DATA/                 or DATA/VOC2012
  JPEGImages/a.jpg
  SegmentationClass/a.png
  ImageSets/Segmentation/train.txt, val.txt     names of images; may be absent
  labelmap.txt        name:red,green,blue::     else the 21 classes of VOC
"""

_NAMES = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
_VOID_COLOR = (224, 224, 192)
_VOID_INDEX = 255


def read(root: Path) -> Layout | None:
    """Pair the images that have a mask; those without are for other tasks.

    Everingham et al., The PASCAL visual object classes challenge, 2015.
    """
    place = _place(root)
    if place is None:
        return None
    masks = mask_files(place.masks)
    stems = {pairing_stem(path) for path in masks}
    images = [x for x in image_files(place.images) if pairing_stem(x) in stems]
    pairs, faults = pair_files(place, images, masks, lambda x: (pairing_stem(x),) * 2)
    lists = list_files(place.images.parent / "ImageSets" / "Segmentation")
    pairs, split, wrong = divided_by_lists(lists, pairs)
    return Layout(
        root,
        NAME,
        tuple(pairs),
        (*faults, *wrong),
        split=split,
        code_names=described_codes(place.images.parent) or _own_codes(pairs),
    )


def _place(root: Path) -> Place | None:
    for folder in (root, *sorted(path for path in root.iterdir() if path.is_dir())):
        images, masks = folder / "JPEGImages", folder / "SegmentationClass"
        if images.is_dir() and masks.is_dir():
            return Place(root, images, masks)
    return None


def _own_codes(pairs: list[ImagePair]) -> CodeNames | None:
    """The classes of VOC, by the colours of its palette or by index."""
    if not pairs or not isinstance(pairs[0].mask, SourceFile):
        return None
    try:
        mode = read_header(pairs[0].mask).mode
    except DatasetError:
        return None  # reported by the survey
    if mode in ("L", "1"):
        names = dict(enumerate(_NAMES))
        return CodeNames("Pascal VOC", by_index=True, names=names, void=(_VOID_INDEX,))
    colors = [(0, 0, 0), *(distinct_color(n) for n in range(len(_NAMES) - 1))]
    coded = dict(zip((pack_color(color) for color in colors), _NAMES, strict=True))
    void = (pack_color(_VOID_COLOR),)
    return CodeNames("Pascal VOC", by_index=False, names=coded, void=void)
