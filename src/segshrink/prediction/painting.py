"""The colours of classes, and an image under them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from segshrink.data import IGNORE_INDEX
from segshrink.data.description import distinct_color
from segshrink.runtimes import Artifact

Color = tuple[int, int, int]

_OPACITY = 0.45
# Rows blended at once: colours are fractions meanwhile, eight times as large.
_ROWS = 64


def legend(artifact: Artifact) -> list[tuple[str, Color]]:
    """Name and colour of each class: the file's own, or made up if it has none."""
    own = (artifact.facts or {}).get("classes")
    try:
        found = [_entry(each) for each in own or ()]
    except (KeyError, TypeError, ValueError):
        found = []
    if len(found) == artifact.num_classes:
        return found
    return [(f"class {i}", distinct_color(i)) for i in range(artifact.num_classes)]


def _entry(entry: Any) -> tuple[str, Color]:
    red, green, blue = (int(value) for value in entry["color"])
    return str(entry["name"]), (red, green, blue)


def blended(
    image: np.ndarray, labels: np.ndarray, colors: list[Color]
) -> npt.NDArray[np.uint8]:
    """An image under the colours of its classes; what is void stays as it is.

    Args:
        image: uint8 `(height, width, 3)`.
        labels: uint8 class indices `(height, width)`, 255 where there is none.
        colors: of each class.

    Returns:
        uint8 `(height, width, 3)`.
    """
    of_index = np.zeros((256, 3), np.float32)
    of_index[: len(colors)] = colors
    result = np.empty_like(image)
    for start in range(0, len(image), _ROWS):
        rows = slice(start, start + _ROWS)
        painted = of_index[labels[rows]]
        mixed = (1 - _OPACITY) * image[rows] + _OPACITY * painted
        result[rows] = np.where(
            (labels[rows] == IGNORE_INDEX)[..., None], image[rows], mixed
        )
    return result
