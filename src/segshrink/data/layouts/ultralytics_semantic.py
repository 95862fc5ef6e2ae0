"""Ultralytics' semantic data sets: masks of indices in a folder beside `images`."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segshrink.data.drawn import DrawnMask
from segshrink.data.images import SourceFile, read_header
from segshrink.data.layouts.annotation_files import shown
from segshrink.data.layouts.findings import VOID, Findings
from segshrink.data.layouts.layout import CodeNames, Layout
from segshrink.data.layouts.ultralytics_yaml import (
    UltralyticsFile,
    counterpart,
    find_ultralytics,
)
from segshrink.data.masks import read_mask
from segshrink.errors import DatasetError

NAME = "ultralytics-semantic"
SIGNS = ("*.yaml|*.yml", "**/images", "**/masks")
TREE = """\
DATA/
  data.yaml             names, masks_dir; train, val and test are folders or lists;
                        label_mapping may say what the masks' indices become
  images/train/a.jpg
  masks/train/a.png     indices; 255 is void
  images/val/ masks/val/ ...
"""

_SUFFIXES = (".png", ".PNG", ".bmp", ".tif")


def read(root: Path) -> Layout | None:
    """Pair images and masks; None without a YAML file of Ultralytics and masks.

    `masks_dir` of the YAML file takes the place of `images`; without it, a folder
    called masks does.
    """
    file = find_ultralytics(root)
    if file is None or not (file.data.get("masks_dir") or (root / "masks").is_dir()):
        return None
    folder = file.data.get("masks_dir") or "masks"
    if not isinstance(folder, str) or ".." in folder or Path(folder).is_absolute():
        raise DatasetError(
            f"{file.where}: masks_dir is {folder!r:.60}, but must be the name of a "
            "folder that takes the place of images."
        )
    table = _table(file)
    findings = Findings(root, NAME)
    for part, image in file.images(findings):
        paths = counterpart(image, root, folder, _SUFFIXES)
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            findings.fault(
                shown(image, root),
                f"has no mask. Add {shown(paths[0], root)} or remove the image.",
            )
            continue
        mask = SourceFile(path, shown(path, root))
        try:
            findings.pair(image, _mapped(mask, table) if table else mask, part)
        except DatasetError as error:
            findings.faults.append(str(error))
    codes = CodeNames(file.where, by_index=True, names=file.names, void=(VOID,))
    return replace(findings.layout(None, file.where), code_names=codes)


def _table(file: UltralyticsFile) -> tuple[tuple[int, int], ...]:
    """Pairs of an index of masks and the one it becomes, from `label_mapping`."""
    given = file.data.get("label_mapping")
    if given is None:
        return ()
    if not isinstance(given, dict):
        raise DatasetError(f"{file.where}: label_mapping must be a mapping of indices.")
    table = []
    for key, value in given.items():
        code = VOID if value == "ignore_label" else value
        known = isinstance(code, int) and code in {*file.names, VOID}
        if not isinstance(key, int) or not known:
            raise DatasetError(
                f"{file.where}: label_mapping maps {key!r} to {value!r}, but must map "
                "an index to one of names, or to ignore_label."
            )
        # No pixel can be -1, which Cityscapes has in its list.
        if key >= 0:
            table.append((key, code))
    return tuple(table)


@dataclass(frozen=True, kw_only=True)
class MappedMask(DrawnMask):
    """A mask of indices that become others.

    Attributes:
        file: the mask.
        table: pairs of an index and what it becomes; others stay.
    """

    file: SourceFile
    table: tuple[tuple[int, int], ...]

    def draw(self) -> npt.NDArray[np.uint32]:
        """Read the mask and map its indices.

        Raises:
            DatasetError: if the mask cannot be decoded.
        """
        runs = read_mask(self.file, by_index=True)
        codes = runs.codes.copy()
        for before, after in self.table:
            codes[runs.codes == before] = after
        return np.repeat(codes, runs.lengths).reshape(runs.shape)


def _mapped(mask: SourceFile, table: tuple[tuple[int, int], ...]) -> MappedMask:
    header = read_header(mask, by_index=True)
    return MappedMask(
        path=mask.path,
        where=mask.where,
        height_px=header.height_px,
        width_px=header.width_px,
        file=mask,
        table=table,
    )
