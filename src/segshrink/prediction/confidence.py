"""How sure a prediction is: the largest probability of each pixel, as a grey level."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from segshrink.records import atomic_write
from segshrink.runtimes import confidence_of

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

NO_DATA = 0
_STEPS = 255


def write_confidence(confidence: np.ndarray, path: Path) -> None:
    """Write grey levels of confidence as a PNG."""
    with atomic_write(path) as partial:
        Image.fromarray(confidence).save(partial)


class SceneConfidence:
    """The confidence of a scene, written piece by piece beside its classes.

    Args:
        path: GeoTIFF to write: uint8, 255 is a probability of 1, 0 has no data.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts = np.zeros(_STEPS + 1, np.int64)

    @contextmanager
    def opened(self, source: DatasetReader) -> Iterator[SceneConfidence]:
        """Create the file, with the georeference of a scene; it is whole at the end."""
        from segshrink.prediction.scene_writing import finish, opened_draft

        with atomic_write(self._path) as final:
            draft = final.with_name(f"{final.stem}.draft.tif")
            try:
                with opened_draft(draft, source, no_data=NO_DATA) as self._target:
                    yield self
                    self._target.set_band_description(1, "confidence")
                    self._target.scales = (1 / _STEPS,)
                finish(draft, final, self._counts)
            finally:
                draft.unlink(missing_ok=True)

    def put(
        self, row: int, column: int, logits: np.ndarray, empty: np.ndarray | None
    ) -> None:
        """Write a piece; `empty` marks its pixels without data."""
        from segshrink.prediction.scene_writing import write_window

        confidence: npt.NDArray[np.uint8] = confidence_of(logits)
        if empty is not None:
            confidence[empty] = NO_DATA
        self._counts += np.bincount(confidence.ravel(), minlength=_STEPS + 1)
        write_window(self._target, row, column, confidence)
