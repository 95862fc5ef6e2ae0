"""Lists of pairs, as PaddleSeg and many scripts write them."""

from pathlib import Path

from segshrink.data.layouts.describing import described_codes
from segshrink.data.layouts.layout import CodeNames, GivenSplit, ImagePair, Layout
from segshrink.data.layouts.lists import list_files, read_list
from segshrink.data.layouts.pairing import source_file

NAME = "paddleseg"
SIGNS = ("train.txt", "val.txt|test.txt|labels.txt")
TREE = """\
DATA/
  train.txt           images/a.jpg labels/a.png
  val.txt             images/b.jpg labels/b.png
  labels.txt          one name a line, in the order of the indices; 255 is void
"""


def read(root: Path) -> Layout | None:
    """Take the pairs of the lists; None if no list holds pairs."""
    lists = {part: read_list(path) for part, path in list_files(root).items()}
    if not lists or not all(len(x) == 2 for entries in lists.values() for x in entries):
        return None
    pairs: list[ImagePair] = []
    faults: list[str] = []
    parts: dict[str, tuple[str, ...]] = {}
    listed: dict[Path, str] = {}
    for part, entries in lists.items():
        alone = len(lists) == 1
        for image, mask in entries:
            fault = _fault(root, image, mask) or _repeated(root / image, part, listed)
            if fault is not None:
                faults.append(f"{part}.txt: {fault}")
                continue
            name = f"{part}/{Path(image).with_suffix('').as_posix()}"
            files = (source_file(root / path, root) for path in (image, mask))
            pairs.append(ImagePair(name if alone else part, name, *files))
        parts[part] = (part,)
    split = GivenSplit("lists " + " and ".join(f"{x}.txt" for x in parts), parts)
    return Layout(
        root,
        NAME,
        tuple(pairs),
        tuple(faults),
        split=split if len(parts) > 1 else None,
        code_names=described_codes(root) or CodeNames(NAME, by_index=True, void=(255,)),
        by_index=True,
    )


def _repeated(image: Path, part: str, listed: dict[Path, str]) -> str | None:
    """The fault of an image that an earlier line names, too; None if none does."""
    place = image.resolve()
    if place in listed:
        return f"{image.name} stands in {listed[place]}.txt already. Drop a line."
    listed[place] = part
    return None


def _fault(root: Path, image: str, mask: str) -> str | None:
    for name in (image, mask):
        path = (root / name).resolve()
        if not path.is_relative_to(root.resolve()):
            return f"{name} lies outside of the folder. Name files below {root}."
        if not path.is_file():
            return f"{name} is not there. Add it, or take its line out of the list."
    return None
