"""Masks that are drawn: shapes in a file of annotations instead of an image."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class DrawnMask(ABC):
    """Shapes on an image, from which its mask is made on request.

    Attributes:
        path: the file that describes the shapes; many images may share it.
        where: its name in messages, relative to the data set's folder.
        height_px: height of the image that they were drawn on, in pixels.
        width_px: width in pixels.
    """

    path: Path
    where: str
    height_px: int
    width_px: int

    @abstractmethod
    def draw(self) -> npt.NDArray[np.uint32]:
        """The mask's codes, uint32 `(height_px, width_px)`, as indices.

        Raises:
            DatasetError: if the file cannot be read any more.
        """
