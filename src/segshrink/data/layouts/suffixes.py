"""Images and masks in one folder, told apart by endings of their names."""

from pathlib import Path

from segshrink.data.layouts.describing import described_codes
from segshrink.data.layouts.folders import by_itself
from segshrink.data.layouts.layout import ImagePair, Layout
from segshrink.data.layouts.pairing import Place, mask_stems, pair_files
from segshrink.data.layouts.parts import named_part, part_of, split_by_parts
from segshrink.data.names import pairing_stem
from segshrink.data.walking import folders_below, image_files, mask_files

NAME = "suffixes"
SIGNS = ("**/*_mask.*|**/*_segmentation.*|**/*_L.*|**/*_lab.*|**/*.jpg.png",)
TREE = """\
DATA/                 or in train, valid and test, as Roboflow exports them
  a.jpg
  a_mask.png          or a_segmentation, a_seg, a_label, a_L, a_lab, a_gt, mask_a,
                      a.jpg.png
  _classes.csv        may name the indices
"""


def read(root: Path) -> Layout | None:
    """Pair images with the masks beside them; None if there is no such pair."""
    pairs: list[ImagePair] = []
    faults: list[str] = []
    parts: dict[str, str | None] = {}
    for folder in folders_below(root):
        own, wrong = _pair_folder(root, folder, parts)
        pairs += own
        faults += wrong
    if not pairs:
        return None
    named = [part for part in dict.fromkeys(parts.values()) if part is not None]
    split = split_by_parts(sorted(parts.items()), f"folders {' and '.join(named)}")
    if split is None:
        pairs = [by_itself(pair) if part_of(pair.scene) else pair for pair in pairs]
    return Layout(
        root,
        NAME,
        tuple(sorted(pairs, key=lambda pair: pair.name)),
        tuple(faults),
        split=split,
        code_names=described_codes(root),
    )


def _pair_folder(
    root: Path, folder: Path, parts: dict[str, str | None]
) -> tuple[list[ImagePair], list[str]]:
    files = mask_files(folder)
    stems = {pairing_stem(path) for path in files}
    masks = {
        path
        for path in files
        if any(stem in stems for stem in mask_stems(path) if stem != pairing_stem(path))
    }
    if not masks:
        return [], []
    part, others = named_part(folder.relative_to(root).parts)

    def named(path: Path) -> tuple[str, str]:
        stem = pairing_stem(path)
        scene = "/".join([*([part] if part else []), *others]) or stem
        parts[scene] = part
        return scene, scene if folder == root else f"{scene}/{stem}"

    images = [path for path in image_files(folder) if path not in masks]
    return pair_files(Place(root, folder, folder), images, sorted(masks), named)
