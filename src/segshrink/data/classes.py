"""The classes of a data set and their codes in masks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

IGNORE_INDEX = 255
"""The label of a void pixel: it counts in no loss and in no metric."""

UNLABELLED = 254
"""The label of a pixel without label: only a teacher counts on it."""

UNDECLARED = -1
"""Result of `Classes.lookup` for a code that is neither class nor void."""

Color = tuple[int, int, int]


def pack_color(color: Sequence[int]) -> int:
    """The colour as one number, 0xRRGGBB."""
    red, green, blue = color
    return red << 16 | green << 8 | blue


def unpack_color(code: int) -> Color:
    """The colour (red, green, blue) of the number 0xRRGGBB."""
    return code >> 16 & 255, code >> 8 & 255, code & 255


def show_code(code: int, *, by_index: bool) -> str:
    """Text of a code for readers: `#RRGGBB` or the index itself."""
    return str(code) if by_index else f"#{code:06X}"


@dataclass(frozen=True)
class Classes:
    """Names, colours and mask codes of the classes, in the order of their labels.

    A mask holds codes: colours (as 0xRRGGBB) when `indices` is None, else indices.
    Labels are the positions 0 to num_classes - 1, and `IGNORE_INDEX` for void.

    Args:
        names: one name per class, all different.
        colors: one RGB colour per class, 0 to 255. With colour masks they are the
            codes, so all must differ; with index masks they serve display only.
        indices: the value of each class in index masks; None for colour masks.
        void_colors: colours that mean "no class"; colour masks only.
        void_indices: indices that mean "no class"; index masks only.

    Raises:
        ValueError: if counts differ, a code is given twice, there are more than 254
            classes, or void codes are of the kind that the masks do not hold.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...]
    indices: tuple[int, ...] | None = None
    void_colors: tuple[Color, ...] = ()
    void_indices: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        faults = class_faults(self)
        if faults:
            raise ValueError("; ".join(faults))

    @property
    def num_classes(self) -> int:
        """Number of classes, void not counted."""
        return len(self.names)

    @property
    def by_index(self) -> bool:
        """True if masks hold indices, False if they hold colours."""
        return self.indices is not None

    @property
    def codes(self) -> tuple[int, ...]:
        """The mask code of each class, in the order of the labels."""
        if self.indices is not None:
            return self.indices
        return tuple(pack_color(color) for color in self.colors)

    @property
    def void_codes(self) -> tuple[int, ...]:
        """The mask codes that mean "no class"."""
        if self.by_index:
            return self.void_indices
        return tuple(pack_color(color) for color in self.void_colors)

    def lookup(self, codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.int16]:
        """Labels of mask codes.

        Args:
            codes: array of any shape.

        Returns:
            Array of the same shape: 0 to num_classes - 1, `IGNORE_INDEX` for void,
            `UNDECLARED` for a code that is neither.
        """
        known_codes, labels = self._table
        places = np.searchsorted(known_codes, codes)
        places[places == len(known_codes)] = 0
        return np.where(known_codes[places] == codes, labels[places], UNDECLARED)

    @cached_property
    def _table(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int16]]:
        codes = np.array(self.codes + self.void_codes, np.uint32)
        labels = np.full(len(codes), IGNORE_INDEX, np.int16)
        labels[: self.num_classes] = np.arange(self.num_classes)
        order = np.argsort(codes)
        return codes[order], labels[order]

    def colorize(self, labels: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
        """RGB image of a label map.

        Args:
            labels: integers of any shape, 0 to num_classes - 1 or `IGNORE_INDEX`.

        Returns:
            RGB array of shape `labels.shape + (3,)`; void is black.
        """
        palette = np.zeros((IGNORE_INDEX + 1, 3), np.uint8)
        palette[: self.num_classes] = self.colors
        return palette[labels]


def class_faults(classes: Classes) -> list[str]:
    """All faults of a set of classes, as text."""
    faults = []
    count = len(classes.names)
    if not 1 <= count <= UNLABELLED:
        faults.append(f"there must be 1 to {UNLABELLED} classes, got {count}")
    if len(classes.colors) != count:
        faults.append(
            f"{count} classes need {count} colours, got {len(classes.colors)}"
        )
    if classes.indices is not None and len(classes.indices) != count:
        faults.append(
            f"{count} classes need {count} indices, got {len(classes.indices)}"
        )
    if classes.by_index and classes.void_colors:
        faults.append("void_colors have no effect on index masks: use void_indices")
    if not classes.by_index and classes.void_indices:
        faults.append("void_indices have no effect on colour masks: use void_colors")
    return faults + _repetitions(classes)


def _repetitions(classes: Classes) -> list[str]:
    faults = [f"the name {name!r} is given twice" for name in _repeated(classes.names)]
    kind = "index" if classes.by_index else "colour"
    for code in _repeated(classes.codes + classes.void_codes):
        shown = show_code(code, by_index=classes.by_index)
        faults.append(f"the {kind} {shown} is given twice among classes and void")
    return faults


def _repeated(items: Sequence) -> list:
    return sorted(item for item, count in Counter(items).items() if count > 1)
