"""Findings of the readers of layouts: pairs of image and mask, split and classes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from segshrink.data.classes import Color
from segshrink.data.drawn import DrawnMask
from segshrink.data.images import SourceFile

PART_NAMES = ("train", "val", "test")


@dataclass(frozen=True)
class ImagePair:
    """An image and its mask.

    Attributes:
        scene: the scene's name, unique in the data set.
        name: the image's name, unique in the data set.
        image: the image.
        mask: a file with a value or colour for each pixel, or drawn shapes.
    """

    scene: str
    name: str
    image: SourceFile
    mask: SourceFile | DrawnMask


@dataclass(frozen=True)
class GivenSplit:
    """The split that folders or lists of a data set give.

    Attributes:
        source: what gives it, such as "folders train and val".
        parts: scenes of `train`, `val` and `test`; parts that are not given lack.
    """

    source: str
    parts: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class CodeNames:
    """Classes as the data's own description gives them.

    Attributes:
        source: the file that gives them, or the name of a known data set.
        by_index: whether codes are indices rather than colours (0xRRGGBB).
        names: the name of each class's code, in the order of the labels. Empty if only
            void is known: then each code that occurs becomes a class.
        void: codes that mean "no class".
        colors: colours of indices, for display.
        if_used: codes that are no classes unless a mask holds them, as the background
            of drawn shapes.
    """

    source: str
    by_index: bool
    names: Mapping[int, str] = field(default_factory=dict)
    void: tuple[int, ...] = ()
    colors: Mapping[int, Color] = field(default_factory=dict)
    if_used: tuple[int, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Images and masks that were found in a folder.

    Attributes:
        root: the folder.
        name: name of the layout.
        pairs: the images that have a mask, ordered by name.
        faults: faults of single files, one message each.
        notices: what follows from the layout, and users should know.
        split: the split that the folder gives; None if it gives none.
        code_names: classes that the folder describes itself; None if it does not.
        by_index: whether masks hold indices, where the layout says so; None if masks
            must be looked at.
    """

    root: Path
    name: str
    pairs: tuple[ImagePair, ...]
    faults: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    split: GivenSplit | None = None
    code_names: CodeNames | None = None
    by_index: bool | None = None

    @property
    def scenes(self) -> tuple[str, ...]:
        """Names of all scenes, sorted."""
        return tuple(sorted({pair.scene for pair in self.pairs}))
