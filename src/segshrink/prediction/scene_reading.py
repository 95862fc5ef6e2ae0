"""Reading a georeferenced scene by windows: its colours, and where it has data."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segshrink.data import SlidingWindow
from segshrink.data.band_reading import BandReader, leveled
from segshrink.data.geotiff import (
    bands_of_rgb,
    gdal_errors,
    is_masked,
    target_names,
    unreadable,
)
from segshrink.errors import DatasetError
from segshrink.runtimes import SWATH_PX

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

# Side of the blocks in which results are written.
BLOCK_PX = 512

_MOST_CACHE_BYTES = 512 * 2**20
# Sums of a band of tiles, of a scene whose rows lie in one piece; see `swath_of`.
_MOST_BAND_BYTES = 128 * 2**20


def swath_of(source: DatasetReader, tile_px: tuple[int, int], channels: int) -> int:
    """Width of the swaths in which to go through a scene.

    A file that stores whole rows decodes them again for each swath, so that swaths are
    as wide as memory allows. The map does not depend on their width.
    """
    if source.block_shapes[0][1] < source.width:
        return SWATH_PX
    column_bytes = tile_px[0] * (channels + 1) * np.dtype(np.float32).itemsize
    return max(SWATH_PX, _MOST_BAND_BYTES // column_bytes // BLOCK_PX * BLOCK_PX)


def cache_bytes_of(source: DatasetReader, window: SlidingWindow) -> int:
    """Bytes that GDAL has to keep so that no block is decoded twice for a swath.

    Raises:
        DatasetError: if the blocks of the file are too large.
    """
    block_rows, block_columns = source.block_shapes[0]
    tile_px, swath_px = window.tile_px, window.swath_px or source.width
    rows = min((math.ceil(tile_px[0] / block_rows) + 1) * block_rows, source.height)
    read = swath_px + 2 * tile_px[1] + 2 * block_columns
    width = math.ceil(source.width / block_columns) * block_columns
    pixel_bytes = sum(np.dtype(kind).itemsize for kind in source.dtypes)
    read_bytes = max(rows, block_rows) * min(read, width) * pixel_bytes
    written_bytes = 2 * BLOCK_PX * (min(swath_px, source.width) + BLOCK_PX)
    needed = 5 * (read_bytes + written_bytes) // 4
    if needed > _MOST_CACHE_BYTES:
        raise DatasetError(
            f"{source.name}: is stored in blocks of {block_columns} x {block_rows} "
            f"pixels, so that a row of tiles would take {needed >> 20} MiB of memory; "
            f"the limit is {_MOST_CACHE_BYTES >> 20}. Store it in tiles with: "
            f"gdal_translate -co TILED=YES -co COMPRESS=DEFLATE {target_names(source)}"
        )
    return needed


class SceneRows:
    """The pixels of a scene, read once for each row of tiles in a swath.

    Tiles are read ahead of the pieces that are made of them. Until a piece is finished,
    this object keeps which of its pixels have data.

    Args:
        source: the scene, within `opened_scene`.
        window: how `stream_by_tiles` goes through the scene.
        on_pixels: receives row, column and pixels `(height, width, bands)` of each
            window that is read.
        reader: reads the bands that the model takes; None for RGB.
    """

    def __init__(
        self,
        source: DatasetReader,
        window: SlidingWindow,
        *,
        on_pixels: Callable[[int, int, np.ndarray], None],
        reader: BandReader | None = None,
    ) -> None:
        self._source = source
        self._reader = reader
        self._bands = bands_of_rgb(source) if reader is None else reader.use
        swath_px = window.swath_px or source.width
        self._widest = swath_px + 2 * window.tile_px[1]
        self._on_pixels = on_pixels
        self._rows, self._left = slice(0, 0), 0
        self._pixels = np.empty((0, 0, len(self._bands)), np.uint8)
        self._valid: npt.NDArray[np.bool_] | None = None
        self._valid_of_rows: dict[int, tuple[int, npt.NDArray[np.bool_]]] = {}
        self._tiles_with_data: deque[bool] = deque()

    def read(self, rows: slice, columns: slice) -> npt.NDArray[np.uint8]:
        """The pixels of a tile; tiles come row after row, from left to right.

        Raises:
            DatasetError: if the file is damaged there.
        """
        right = self._left + self._pixels.shape[1]
        if rows != self._rows or columns.start < self._left or columns.stop > right:
            self._read_rows(rows, columns.start)
        here = slice(columns.start - self._left, columns.stop - self._left)
        self._tiles_with_data.append(
            self._valid is None or bool(self._valid[:, here].any())
        )
        return self._pixels[:, here]

    def next_tile_has_data(self) -> bool:
        """Whether the next tile has data; call it once per tile, in reading order."""
        return self._tiles_with_data.popleft()

    def without_data(
        self, row: int, column: int, size_px: tuple[int, int]
    ) -> npt.NDArray[np.bool_] | None:
        """Mask of the pixels without data in a piece that begins with a row of tiles.

        Returns:
            bool `(height, width)`; None if all do.
        """
        if row not in self._valid_of_rows:
            return None
        left, valid = self._valid_of_rows.pop(row)
        if self._rows.start == row:
            # Tiles of these rows that are still to come are of another swath, whose
            # pieces need to know their pixels without data again.
            self._rows = slice(0, 0)
        return ~valid[: size_px[0], column - left : column - left + size_px[1]]

    def _read_rows(self, rows: slice, left: int) -> None:
        from rasterio.windows import Window

        width = min(self._widest, self._source.width - left)
        window = Window(left, rows.start, width, rows.stop - rows.start)
        try:
            values = self._source.read(list(self._bands), window=window)
            valid = (
                self._source.dataset_mask(window=window) != 0
                if is_masked(self._source)
                else None
            )
        except gdal_errors() as error:
            raise unreadable(Path(self._source.name), error) from error
        pixels = np.moveaxis(values, 0, -1)  # (rows, columns, bands)
        if self._reader is not None:
            pixels, valid = leveled(self._reader, pixels, self._source.nodata, valid)
        self._valid = valid
        if valid is not None:
            self._valid_of_rows[rows.start] = left, valid
        self._rows, self._left = rows, left
        self._pixels = pixels
        self._on_pixels(rows.start, left, self._pixels)
