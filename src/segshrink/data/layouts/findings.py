"""Collection of a reader of annotations: images with masks, faults and notices."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segshrink.data.drawn import DrawnMask
from segshrink.data.images import SourceFile, name_fault, read_header
from segshrink.data.layouts.annotation_files import (
    IMAGE_FOLDERS,
    ImageIndex,
    part_of_folder,
    shown,
)
from segshrink.data.layouts.layout import PART_NAMES, CodeNames, ImagePair, Layout
from segshrink.data.layouts.parts import split_by_parts
from segshrink.data.names import composed, pairing_stem
from segshrink.data.outlines import Points, as_points, is_within
from segshrink.errors import DatasetError

VOID = 255
"""The code of pixels that have no class."""

_BACKGROUND = "background"
_BACKGROUND_NAMES = ("background", "_background_", "__background__", "bg")
_VOID_NAMES = ("void", "ignore", "ignored", "__ignore__")


@dataclass(frozen=True)
class ClassCodes:
    """The codes of a description's classes.

    Attributes:
        codes: the code of each name; `VOID` for names such as "void" and "ignore".
        uncovered: the code of pixels that no shape covers.
        names: names by code, background included.
        if_used: the background's code, if the description has none.
    """

    codes: Mapping[str, int]
    uncovered: int
    names: Mapping[int, str]
    if_used: tuple[int, ...] = ()


def class_codes(names: Sequence[str], where: str) -> ClassCodes:
    """Number classes: background first, unless the names have a background.

    Raises:
        DatasetError: if there are too many.
    """
    kept = [name for name in names if name.lower() not in _VOID_NAMES]
    backgrounds = [name for name in kept if name.lower() in _BACKGROUND_NAMES]
    if not backgrounds:
        kept.insert(0, _BACKGROUND)
    if len(kept) > 254:
        raise DatasetError(
            f"{where}: has {len(kept)} classes with background, but at most 254 are "
            "possible. Join some of them."
        )
    numbered = {name: code for code, name in enumerate(kept)}
    codes = {name: numbered.get(name, VOID) for name in names}
    uncovered = numbered[backgrounds[0]] if backgrounds else 0
    return ClassCodes(
        codes, uncovered, dict(enumerate(kept)), () if backgrounds else (0,)
    )


@dataclass(frozen=True)
class _Found:
    """An image with its mask, its part, and its folders that name neither."""

    image: Path
    mask: DrawnMask | SourceFile
    part: str | None
    folders: tuple[str, ...]


class Findings:
    """Collects what a reader finds, and makes a layout of it.

    Args:
        root: the folder of the data set.
        name: name of the layout.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.name = name
        self.faults: list[str] = []
        self._notices: dict[str, tuple[int, str]] = {}
        self._found: dict[Path, _Found] = {}
        self.split_by = "folders"

    def fault(self, where: str, text: str) -> None:
        """Add a fault of a file or entry."""
        self.faults.append(f"{where}: {text}")

    def notice(self, text: str, where: str = "") -> None:
        """Add a notice; of the same text, the first place and the count are told."""
        count, first = self._notices.get(text, (0, where))
        self._notices[text] = count + 1, first

    def pair(
        self, image: Path, mask: DrawnMask | SourceFile, part: str | None = None
    ) -> None:
        """Add an image and its mask; without `part`, the image's folders may say it."""
        wrong = name_fault(image.relative_to(self.root))
        if wrong is not None:
            self.faults.append(wrong)
            return
        if image in self._found:
            where = shown(image, self.root)
            self.fault(where, "is listed twice. Keep one of the entries.")
            return
        folders = [composed(x) for x in image.relative_to(self.root).parts[:-1]]
        folders = [x for x in folders if x.lower() not in IMAGE_FOLDERS]
        part = part or next(filter(None, map(part_of_folder, folders)), None)
        kept = tuple(x for x in folders if part is None or part_of_folder(x) != part)
        self._found[image] = _Found(image, mask, part, kept)

    def one_image(self, found: Sequence[Path], where: str) -> Path | None:
        """The file that `ImageIndex.find` gave; None, and a fault, unless it is one."""
        if len(found) == 1:
            return found[0]
        if not found:
            self.fault(where, "its image is not there. Add it, or remove the entry.")
        else:
            listed = ", ".join(shown(path, self.root) for path in found[:3])
            self.fault(where, f"may mean {listed}. Give these images different names.")
        return None

    def size_of(self, image: Path) -> tuple[int, int] | None:
        """Height and width of an image in pixels; None, and a fault, if unreadable."""
        try:
            header = read_header(SourceFile(image, shown(image, self.root)))
        except DatasetError as error:
            self.faults.append(str(error))
            return None
        return header.height_px, header.width_px

    def ring(
        self, numbers: object, where: str, height_px: int, width_px: int
    ) -> Points | None:
        """The corners of an outline; None, and a notice, if there are less than 3.

        Raises:
            ValueError: if these are no pairs of finite numbers.
        """
        points = as_points(numbers)
        if points is None:
            raise ValueError(
                f"{numbers!r:.60} is no list of x and y (finite, and pairs of them)"
            )
        if len(points) < 3:
            self.notice("Outlines of fewer than 3 points are left out", where)
            return None
        if not is_within(points, height_px, width_px):
            self.notice(
                "Outlines that leave the image are cut off at its border", where
            )
        return points

    def unlisted(self, index: ImageIndex, listed: Collection[Path]) -> None:
        """A notice about images beside the listed ones, which have no annotations."""
        folders = {path.parent for path in listed}
        rest = sorted(
            path
            for path in index.files
            if path.parent in folders and path not in listed
        )
        if rest:
            text = "Images that no annotation lists are left out"
            self._notices[text] = len(rest), shown(rest[0], self.root)

    def layout(self, classes: ClassCodes | None, source: str) -> Layout:
        """The layout of all pairs.

        A part is one scene, and so is each folder in it; folders that all images lie in
        do not count. Images in no folder are scenes of their own.

        Args:
            classes: the classes of drawn masks; None if `code_names` is set later.
            source: what names the classes.
        """
        pairs, parts = self._named_pairs()
        named = [part for part in PART_NAMES if part in parts.values()]
        split = split_by_parts(
            sorted(parts.items()), f"{self.split_by} {' and '.join(named)}"
        )
        if split is None:
            pairs = [
                replace(pair, scene=pair.name) if pair.scene in named else pair
                for pair in pairs
            ]
        else:
            self._require_parts(parts, named)
        return Layout(
            self.root,
            self.name,
            tuple(pairs),
            tuple(self.faults),
            notices=self.notices,
            split=split,
            code_names=None if classes is None else _code_names(classes, source),
            by_index=True,
        )

    def _named_pairs(self) -> tuple[list[ImagePair], dict[str, str | None]]:
        """The pairs by name, and the part of each scene."""
        found = self._found.values()
        common = len(os.path.commonprefix([each.folders for each in found]))
        pairs: dict[str, ImagePair] = {}
        parts: dict[str, str | None] = {}
        for each in found:
            where = shown(each.image, self.root)
            stem = pairing_stem(each.image)
            above = [*filter(None, [each.part]), *each.folders[common:]]
            name = "/".join([*above, stem])
            scene = "/".join(above) or stem
            if name in pairs:
                self.fault(
                    where,
                    f"{pairs[name].image.where} has the same name, but names without "
                    "ending must differ. Remove or rename one.",
                )
            else:
                image = SourceFile(each.image, where)
                pairs[name] = ImagePair(scene, name, image, each.mask)
                parts[scene] = each.part
        return [pairs[name] for name in sorted(pairs)], parts

    @property
    def notices(self) -> tuple[str, ...]:
        """All notices, with their counts."""
        return tuple(
            f"{text} ({count} time{'s' if count > 1 else ''}, first in {first})."
            if first
            else f"{text}."
            for text, (count, first) in self._notices.items()
        )

    def _require_parts(
        self, parts: Mapping[str, str | None], named: Sequence[str]
    ) -> None:
        for scene, part in sorted(parts.items()):
            if part is None:
                self.fault(
                    scene,
                    f"in no part, but others are in {' and '.join(named)}. Move it "
                    "into one of these folders, or give a split with --split.",
                )


def _code_names(classes: ClassCodes, source: str) -> CodeNames:
    return CodeNames(
        source,
        by_index=True,
        names=classes.names,
        void=(VOID,),
        if_used=classes.if_used,
    )
