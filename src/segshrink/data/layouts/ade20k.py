"""ADE20K of the scene parsing challenge: index 0 of its masks is void."""

from dataclasses import replace
from pathlib import Path

from segshrink.data.layouts import folders
from segshrink.data.layouts.describing import described_codes
from segshrink.data.layouts.layout import CodeNames, Layout

NAME = "ade20k"
SIGNS = ("images/training", "annotations/training", "objectInfo150.txt|images/*/ADE_*")
TREE = """\
DATA/
  images/training/ADE_train_00000001.jpg
  annotations/training/ADE_train_00000001.png   0 is void
  images/validation ...
  objectInfo150.txt   names the classes
"""


def read(root: Path) -> Layout | None:
    """Pair as `folders` does; Zhou et al., Scene parsing through ADE20K, 2017."""
    images = root / "images"
    if not (images.is_dir() and (root / "annotations").is_dir()):
        return None
    is_described = (root / "objectInfo150.txt").is_file()
    if not is_described and not any(images.glob("*/ADE_*")):
        return None
    found = folders.read(root)
    if found is None:
        return None
    codes = described_codes(root) or CodeNames("ADE20K", by_index=True, void=(0,))
    return replace(found, name=NAME, code_names=codes, by_index=True)
