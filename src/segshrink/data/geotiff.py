"""Georeferenced TIFF files: recognizing and opening them, and their colours."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from segshrink.errors import DatasetError, MissingExtraError

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

_TIFF_SUFFIXES = (".tif", ".tiff")
_BIG_TIFF = 43

# Tags of GeoTIFF (scale of pixels, tie points, transform, directory of keys), and
# GDAL's tag for the value of pixels without data.
_GEOREFERENCE_TAGS = {33550, 33922, 34264, 34735, 42113}

_LEAST_CACHE_BYTES = 16 * 2**20

# A band of alpha may have soft borders, but not many of them.
_LOOKED_AT_PX = 512
_MOST_BETWEEN = 0.25

# Bytes that any file may be unpacked to, and how many times its own size.
_UNSUSPICIOUS_BYTES = 1 << 30
_MOST_UNPACKED = 200

_RGB = ("red", "green", "blue")


def is_georeferenced(path: Path) -> bool:
    """Whether a TIFF file has a georeference, or a value for pixels without data.

    Only the tags are read, since Pillow supports fewer pixel formats than scenes come
    in. A file that cannot be read is not a scene.
    """
    if path.suffix.lower() not in _TIFF_SUFFIXES or not path.is_file():
        return False
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            # Truncated tags are reported when the pixels are read.
            warnings.simplefilter("ignore")
            header = file.read(8)
            if header[2] == _BIG_TIFF:
                header += file.read(8)
            directory = ImageFileDirectory_v2(header)
            file.seek(directory.next)
            directory.load(file)
    except Exception:
        # Of damaged tags Pillow raises errors of any kind.
        return False
    return not _GEOREFERENCE_TAGS.isdisjoint(directory)


def require_rasterio() -> None:
    """Check that the packages for georeferenced scenes are installed.

    Raises:
        MissingExtraError: without rasterio.
    """
    try:
        import rasterio  # noqa: F401
    except ImportError:
        raise MissingExtraError("Reading georeferenced TIFF files", "geo") from None


def require_rasterio_for(path: Path) -> None:
    """Check that a file can be read that Pillow does not read with all of its bits.

    Raises:
        MissingExtraError: without rasterio.
    """
    try:
        import rasterio  # noqa: F401
    except ImportError:
        raise MissingExtraError(
            f"Reading {path}, which has several bands or 16 bits per channel,", "geo"
        ) from None


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
    return f"gdal_translate {' '.join(options)} -co TILED=YES {target_names(source)}"


def target_names(source: DatasetReader) -> str:
    """A scene and the file to make of it, as arguments of GDAL's programs."""
    path = Path(source.name)
    return f"'{path}' '{path.with_name(f'{path.stem}-rgb.tif')}'"


def read_bands(path: Path, use: Sequence[int]) -> npt.NDArray:
    """Bands of a whole file in its own numbers, `(height, width, len(use))`.

    Raises:
        DatasetError: if it cannot be read.
        MissingExtraError: without rasterio.
    """
    require_rasterio_for(path)
    with opened_scene(path) as source:
        _refuse_bomb(source, use)
        try:
            return np.moveaxis(source.read(list(use)), 0, -1)
        except gdal_errors() as error:
            raise unreadable(path, error) from error


def _refuse_bomb(source: DatasetReader, use: Sequence[int]) -> None:
    """Refuse a small file whose pixels fill the memory, as no camera makes it."""
    value_bytes = np.dtype(source.dtypes[0]).itemsize
    unpacked = source.width * source.height * len(use) * value_bytes
    packed = Path(source.name).stat().st_size
    if unpacked > max(_UNSUSPICIOUS_BYTES, _MOST_UNPACKED * packed):
        raise DatasetError(
            f"{source.name}: {packed:,} bytes would be unpacked to {unpacked:,}. "
            "Download or export it again, or leave it out."
        )


def read_window(
    path: Path, bands: Sequence[int], rows: slice, columns: slice
) -> tuple[npt.NDArray, npt.NDArray[np.bool_] | None]:
    """A rectangle of a scene.

    Args:
        path: the scene's file.
        bands: its bands, from 1, such as those of `bands_of_rgb`.
        rows: first row, and the one after the last.
        columns: likewise.

    Returns:
        (pixels, has_data): `(height, width, bands)` in the numbers of the scene, and
        bool `(height, width)`; None if every pixel of the scene has data.

    Raises:
        DatasetError: if the file cannot be read there, or is smaller than it was.
    """
    from rasterio.windows import Window

    window = Window.from_slices(rows, columns)
    with opened_scene(path) as source:
        if source.height < rows.stop or source.width < columns.stop:
            raise DatasetError(
                f"{path}: its size changed since it was opened. Start again."
            )
        try:
            pixels = source.read(list(bands), window=window)  # (bands, rows, columns)
            has_data = source.dataset_mask(window=window) if is_masked(source) else None
        except gdal_errors() as error:
            raise unreadable(path, error) from error
    return np.moveaxis(pixels, 0, -1), None if has_data is None else has_data != 0


def read_scene_thumbnail(
    path: Path, bands: Sequence[int], side_px: int
) -> npt.NDArray[np.uint8]:
    """The whole scene, squeezed into a small square `(side_px, side_px, bands)`.

    Raises:
        DatasetError: if the file cannot be read.
    """
    from rasterio.enums import Resampling

    with opened_scene(path) as source:
        try:
            pixels: npt.NDArray[np.uint8] = source.read(
                list(bands),
                out_shape=(len(bands), side_px, side_px),
                resampling=Resampling.average,
            )
        except gdal_errors() as error:
            raise unreadable(path, error) from error
    return np.moveaxis(pixels, 0, -1)


def is_masked(source: DatasetReader) -> bool:
    """Whether a scene says of its pixels which have data."""
    return any(
        flag.name != "all_valid" for flags in source.mask_flag_enums for flag in flags
    )
