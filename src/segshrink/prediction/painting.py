"""Images overlaid with the colours of their classes."""

import numpy as np
import numpy.typing as npt

from segshrink.data import IGNORE_INDEX
from segshrink.runtimes.legend import Color

_OPACITY = 0.45
# Rows blended at once, since blending needs floats, which take eight times the memory.
_ROWS = 64


def blended(
    image: np.ndarray, labels: np.ndarray, colors: list[Color]
) -> npt.NDArray[np.uint8]:
    """The image overlaid with the colours of its classes; void pixels stay unchanged.

    Args:
        image: uint8 `(height, width, 3)`.
        labels: uint8 class indices `(height, width)`, 255 for void.
        colors: the colour of each class.

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
