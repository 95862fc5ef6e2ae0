"""Reading a georeferenced scene by windows: its colours, and where it has data."""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segshrink.data import SlidingWindow
from segshrink.errors import DatasetError, MissingExtraError
from segshrink.runtimes import SWATH_PX

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

# Side of the blocks in which results are written.
BLOCK_PX = 512

_LEAST_CACHE_BYTES = 16 * 2**20
_MOST_CACHE_BYTES = 512 * 2**20
# Sums of a band of tiles, of a scene whose rows lie in one piece; see `swath_of`.
_MOST_BAND_BYTES = 128 * 2**20

# A band of alpha may have soft borders, but not many of them.
_LOOKED_AT_PX = 512
_MOST_BETWEEN = 0.25

_RGB = ("red", "green", "blue")


def require_rasterio() -> None:
    """Check that the packages for georeferenced scenes are installed.

    Raises:
        MissingExtraError: without rasterio.
    """
    try:
        import rasterio  # noqa: F401
    except ImportError:
        raise MissingExtraError("Predicting georeferenced TIFF files", "geo") from None


@contextmanager
def bounded_gdal(cache_bytes: int = 0) -> Iterator[None]:
    """Bound GDAL's cache of blocks, which would else grow with the machine's memory.

    Args:
        cache_bytes: bytes that must fit; a lower bound applies in any case.
    """
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    cache_bytes = max(_LEAST_CACHE_BYTES, cache_bytes)
    with rasterio.Env(GDAL_CACHEMAX=cache_bytes), warnings.catch_warnings():
        # A missing georeference is reported where one is needed.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


@contextmanager
def opened_scene(path: Path, *, cache_bytes: int = 0) -> Iterator[DatasetReader]:
    """Open a scene, or the result of one, without reading any pixel.

    Args:
        path: a TIFF file.
        cache_bytes: as for `bounded_gdal`.

    Raises:
        DatasetError: if it cannot be opened.
    """
    import rasterio

    with bounded_gdal(cache_bytes):
        try:
            source = rasterio.open(path)
        except gdal_errors() as error:
            raise unreadable(path, error) from error
        with source:
            yield source


def gdal_errors() -> tuple[type[Exception], ...]:
    """Errors that rasterio raises; some of them are GDAL's own."""
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    return RasterioError, CPLE_BaseError


def unreadable(path: Path, error: Exception) -> DatasetError:
    """The error for a scene that cannot be read, as damaged files cannot."""
    # Rasterio hides GDAL's message behind a general one.
    reason = error.__cause__ or error
    return DatasetError(
        f"{path}: cannot be read ({reason}). Download or export it again, or leave it "
        "out."
    )


def bands_of_rgb(source: DatasetReader) -> list[int]:
    """Numbers of the bands that are red, green and blue.

    Bands that name their colours are taken by name, others in their order; a grey band
    is used for all three. An alpha band is not a colour.

    Raises:
        DatasetError: unless there are three colours or one, with 8 bits each, and any
            alpha band is a mask and not a fourth colour.
    """
    colors = [each.name for each in source.colorinterp]
    bands = [i for i, name in enumerate(colors, 1) if name != "alpha"]
    kinds = sorted({source.dtypes[i - 1] for i in bands})
    is_palette = "palette" in colors
    if kinds != ["uint8"] or len(bands) not in (1, 3) or is_palette:
        raise DatasetError(
            f"{source.name}: bands must be red, green and blue, or one grey, beside "
            f"alpha if need be, with 8 bits each; got {len(bands)} of "
            f"{' and '.join(kinds)} ({', '.join(colors)}). "
            f"Make such a file with: {_translation(source, bands, kinds, is_palette)}"
        )
    if "alpha" in colors:
        _require_mask(source, colors.index("alpha") + 1, bands)
    by_name = [colors.index(name) + 1 for name in _RGB if name in colors]
    return by_name if len(by_name) == 3 else (bands * 3)[:3]


def _require_mask(source: DatasetReader, band: int, colors: Sequence[int]) -> None:
    """Refuse a fourth colour that is marked as alpha, which some writers do."""
    from rasterio.windows import Window

    height, width = (min(side, _LOOKED_AT_PX) for side in source.shape)
    top, left = (source.height - height) // 2, (source.width - width) // 2
    try:
        values = source.read(band, window=Window(left, top, width, height))
    except gdal_errors() as error:
        raise unreadable(Path(source.name), error) from error
    between = np.mean((values > 0) & (values < values.max()))
    if between > _MOST_BETWEEN:
        raise DatasetError(
            f"{source.name}: band {band} is marked as alpha, which must be 0 where "
            "there is no data and one other value elsewhere, but it looks like a "
            f"fourth colour ({len(np.unique(values))} values in its middle). Leave it "
            f"out with: {_translation(source, colors, ['uint8'], False)}"
        )


def _translation(
    source: DatasetReader, bands: Sequence[int], kinds: list[str], is_palette: bool
) -> str:
    colors = [each.name for each in source.colorinterp]
    named = [colors.index(name) + 1 for name in _RGB if name in colors]
    wanted = named if len(named) == 3 else bands[:3] if len(bands) > 2 else bands[:1]
    options = ["-expand rgb"] if is_palette else [f"-b {band}" for band in wanted]
    if kinds == ["uint16"]:
        # The upper 8 bits are used, as for 16-bit photographs.
        options += ["-ot Byte", "-scale 0 65535 0 255"]
    elif kinds != ["uint8"]:
        options += ["-ot Byte", "-scale"]
    return f"gdal_translate {' '.join(options)} -co TILED=YES {_names(source)}"


def _names(source: DatasetReader) -> str:
    path = Path(source.name)
    return f"'{path}' '{path.with_name(f'{path.stem}-rgb.tif')}'"


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
    read_bytes = max(rows, block_rows) * min(read, width) * source.count
    written_bytes = 2 * BLOCK_PX * (min(swath_px, source.width) + BLOCK_PX)
    needed = 5 * (read_bytes + written_bytes) // 4
    if needed > _MOST_CACHE_BYTES:
        raise DatasetError(
            f"{source.name}: is stored in blocks of {block_columns} x {block_rows} "
            f"pixels, so that a row of tiles would take {needed >> 20} MiB of memory; "
            f"the limit is {_MOST_CACHE_BYTES >> 20}. Store it in tiles with: "
            f"gdal_translate -co TILED=YES -co COMPRESS=DEFLATE {_names(source)}"
        )
    return needed


class SceneRows:
    """The pixels of a scene, read once for each row of tiles in a swath.

    Tiles are read ahead of the pieces that are made of them. Until a piece is finished,
    this object keeps which of its pixels have data.

    Args:
        source: the scene, within `opened_scene`.
        window: how `stream_by_tiles` goes through the scene.
        on_pixels: receives row, column and pixels `(height, width, 3)` of each window
            that is read.
    """

    def __init__(
        self,
        source: DatasetReader,
        window: SlidingWindow,
        *,
        on_pixels: Callable[[int, int, np.ndarray], None],
    ) -> None:
        self._source = source
        self._bands = bands_of_rgb(source)
        self._is_masked = any(
            flag.name != "all_valid"
            for flags in source.mask_flag_enums
            for flag in flags
        )
        swath_px = window.swath_px or source.width
        self._widest = swath_px + 2 * window.tile_px[1]
        self._on_pixels = on_pixels
        self._rows, self._left = slice(0, 0), 0
        self._pixels = np.empty((0, 0, 3), np.uint8)
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
        if not self._is_masked:
            return None
        left, valid = self._valid_of_rows.pop(row)
        return ~valid[: size_px[0], column - left : column - left + size_px[1]]

    def _read_rows(self, rows: slice, left: int) -> None:
        from rasterio.windows import Window

        width = min(self._widest, self._source.width - left)
        window = Window(left, rows.start, width, rows.stop - rows.start)
        try:
            pixels = self._source.read(self._bands, window=window)  # (3, rows, columns)
            if self._is_masked:
                self._valid = self._source.dataset_mask(window=window) != 0
                self._valid_of_rows[rows.start] = left, self._valid
        except gdal_errors() as error:
            raise unreadable(Path(self._source.name), error) from error
        self._rows, self._left = rows, left
        self._pixels = np.moveaxis(pixels, 0, -1)
        self._on_pixels(rows.start, left, self._pixels)
