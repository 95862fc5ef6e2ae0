"""A small picture of a large scene, collected while the scene is predicted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PREVIEW_PX = 2048


@dataclass(frozen=True)
class Preview:
    """Evenly spaced pixels of a scene, for which it need not be read a second time.

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
        """Copy the pixels that are shown from a part of the scene into `target`.

        Args:
            target: `image` or `labels`.
            row: first row of the part in the scene.
            column: first column of the part in the scene.
            part: pixels or classes of the part.
        """
        top, bottom = np.searchsorted(self.rows, (row, row + part.shape[0]))
        left, right = np.searchsorted(self.columns, (column, column + part.shape[1]))
        shown = part[self.rows[top:bottom] - row][:, self.columns[left:right] - column]
        target[top:bottom, left:right] = shown


def _spread(side: int, count: int) -> np.ndarray:
    """The middles of `count` equal pieces of a side, in whole pixels."""
    return ((np.arange(count) + 0.5) * side / count).astype(int)
