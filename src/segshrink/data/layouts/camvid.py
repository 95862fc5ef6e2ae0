"""CamVid's folders: masks of `train` in `trainannot`, and so on."""

from pathlib import Path

from segshrink.data.layouts.describing import described_codes
from segshrink.data.layouts.folders import PARTS_NOTICE
from segshrink.data.layouts.layout import PART_NAMES, GivenSplit, ImagePair, Layout
from segshrink.data.layouts.pairing import Place, pair_files
from segshrink.data.names import pairing_stem
from segshrink.data.walking import image_files, mask_files

NAME = "camvid"
SIGNS = ("train", "trainannot")
TREE = """\
DATA/
  train/a.png
  trainannot/a.png    indices
  val/ valannot/ test/ testannot/
"""


def read(root: Path) -> Layout | None:
    """Pair the images of each part; None if no folder is called `trainannot`.

    Each part is one scene. Masks are indices, which some copies store with a palette.
    """
    if not (root / "trainannot").is_dir():
        return None
    pairs: list[ImagePair] = []
    faults: list[str] = []
    parts: dict[str, tuple[str, ...]] = {}
    for part in PART_NAMES:
        place = Place(root, root / part, root / f"{part}annot")
        missing = [x.name for x in (place.images, place.masks) if not x.is_dir()]
        if len(missing) == 2:
            continue
        if missing:
            faults.append(
                f"{missing[0]}: missing. Expected as well as its counterpart."
            )
            continue
        found, wrong = pair_files(
            place, image_files(place.images), mask_files(place.masks), _named
        )
        pairs += found
        faults += wrong
        parts[part] = (part,)
    return Layout(
        root,
        NAME,
        tuple(pairs),
        tuple(faults),
        notices=(PARTS_NOTICE.format(parts=", ".join(parts)),),
        split=GivenSplit("folders", parts),
        code_names=described_codes(root),
        by_index=True,
    )


def _named(image: Path) -> tuple[str, str]:
    part = image.parent.name
    return part, f"{part}/{pairing_stem(image)}"
