"""A small picture of a large scene, gathered while its windows go by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PREVIEW_PX = 2048


@dataclass(frozen=True)
class Preview:
    """Every so-many-th pixel of a scene; reading it once more is not needed for it.

    Attributes:
        image: uint8 `(height, width, 3)`.
        labels: uint8 `(height, width)`.
        rows: the rows of the scene that are shown.
        columns: the columns of the scene that are shown.
    """

    image: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, size_px: tuple[int, int]) -> Preview:
        """An empty preview of a scene of this height and width."""
        longer = max(size_px)
        rows, columns = (
            _spread(side, max(1, round(side * min(1, PREVIEW_PX / longer))))
            for side in size_px
        )
        shape = len(rows), len(columns)
        return cls(
            np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8), rows, columns
        )

    def put(self, target: np.ndarray, row: int, column: int, part: np.ndarray) -> None:
        """Keep in `image` or `labels` what is shown of a part of the scene."""
        top, bottom = np.searchsorted(self.rows, (row, row + part.shape[0]))
        left, right = np.searchsorted(self.columns, (column, column + part.shape[1]))
        shown = part[self.rows[top:bottom] - row][:, self.columns[left:right] - column]
        target[top:bottom, left:right] = shown


def _spread(side: int, count: int) -> np.ndarray:
    """The middles of `count` equal pieces of a side, in whole pixels."""
    return ((np.arange(count) + 0.5) * side / count).astype(int)
