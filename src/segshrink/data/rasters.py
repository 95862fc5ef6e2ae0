"""Bands of a file in its own numbers: NumPy arrays, pictures, pages, and TIFF."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from segshrink.data.geotiff import (
    is_georeferenced,
    opened_scene,
    read_bands,
    require_rasterio_for,
)
from segshrink.data.images import SourceFile, opened, raw_mode
from segshrink.data.orientation import (
    UPRIGHT,
    orientation_of,
    oriented,
    shown_size,
    turn_of,
)
from segshrink.errors import DatasetError
from segshrink.reading import irregular
from segshrink.records.bands import MOST_BANDS

ARRAY_SUFFIX = ".npy"
TIFF_SUFFIXES = (".tif", ".tiff")

_SAMPLES_TAG = 277
_NODATA_TAG = 42113

# Bands and type of the pixel formats that Pillow reads as they are stored.
_MODES: dict[str, tuple[int, str]] = {
    "1": (1, "uint8"),
    "L": (1, "uint8"),
    "LA": (2, "uint8"),
    "P": (3, "uint8"),
    "PA": (4, "uint8"),
    "RGB": (3, "uint8"),
    "RGBX": (4, "uint8"),
    "RGBA": (4, "uint8"),
    "CMYK": (4, "uint8"),
    "I": (1, "int32"),
    "F": (1, "float32"),
} | dict.fromkeys(("I;16", "I;16B", "I;16L"), (1, "uint16"))
_AS_SHOWN = {"1": "L", "P": "RGB", "PA": "RGBA"}


@dataclass(frozen=True)
class RasterHeader:
    """Header of a file of bands.

    Attributes:
        height_px: height in pixels.
        width_px: width in pixels.
        count: number of bands.
        dtype: NumPy's name of the type of their values.
        nodata: value of pixels without data, as the file declares it.
        has_alpha: whether the last band is an alpha channel.
        is_picture: whether it can be read as a picture, too, with the same pixels.
    """

    height_px: int
    width_px: int
    count: int
    dtype: str
    nodata: float | None = None
    has_alpha: bool = False
    is_picture: bool = False

    @property
    def is_deep(self) -> bool:
        """Whether values are of more than 8 bits."""
        return self.dtype != "uint8"


def read_raster_header(file: SourceFile) -> RasterHeader:
    """Size, number and type of the bands of a file, without reading any pixel.

    Raises:
        DatasetError: if the file is missing, damaged or holds other things.
        MissingExtraError: if only rasterio can read it, and it is not installed.
    """
    if file.path.suffix.lower() == ARRAY_SUFFIX:
        height, width, count = (array := _opened_array(file)).shape
        return RasterHeader(height, width, count, array.dtype.name)
    if not _pillow_reads(file):
        return _header_by_rasterio(file)
    with opened(file) as image:
        pages = _pages(image)
        count, dtype = _MODES[image.mode]
        height, width = shown_size(image.height, image.width, turn_of(image))
        return RasterHeader(
            height,
            width,
            len(pages) if len(pages) > 1 else count,
            dtype,
            _declared_nodata(image),
            has_alpha=image.mode in ("LA", "PA", "RGBA"),
            is_picture=len(pages) == 1 and dtype == "uint8",
        )


def read_raster(file: SourceFile, use: Sequence[int]) -> npt.NDArray:
    """Bands of a file in its own numbers.

    Args:
        file: an array of `numpy.save` `(height, width)`, `(height, width, bands)` or,
            where the first axis is the shortest, `(bands, height, width)`; an image;
            or a TIFF of several bands or pages.
        use: numbers of the bands, from 1.

    Returns:
        Array `(height, width, len(use))`.

    Raises:
        DatasetError: as `read_raster_header`, and if it lacks a band.
        MissingExtraError: likewise.
    """
    header = read_raster_header(file)
    if max(use) > header.count:
        raise DatasetError(
            f"{file.where}: band {max(use)} is wanted, but it has {header.count}. "
            "Bands count from 1; name others with `bands: {use: [...]}` in "
            "dataset.yaml."
        )
    places = [number - 1 for number in use]
    if file.path.suffix.lower() == ARRAY_SUFFIX:
        return np.ascontiguousarray(_opened_array(file)[..., places])
    if not _pillow_reads(file):
        return oriented(read_bands(file.path, use), _stored_turn(file))
    with opened(file) as image:
        turn, pages = turn_of(image), _pages(image)
        if len(pages) > 1:
            return np.stack([_page(image, pages[place]) for place in places], axis=-1)
        pixels = np.asarray(image.convert(_AS_SHOWN.get(image.mode, image.mode)))
        pixels = pixels if pixels.ndim == 3 else pixels[..., None]
        return oriented(pixels[..., places], turn)


def _opened_array(file: SourceFile) -> npt.NDArray:
    """An array in a file, `(height, width, bands)`, of which nothing is read yet."""
    try:
        array = np.load(file.path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise DatasetError(f"{file.where}: no such file.") from None
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(
            f"{file.where}: not an array of numbers as numpy.save writes it ({error}). "
            "Save it again."
        ) from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise DatasetError(
            f"{file.where}: holds several arrays, as numpy.savez writes them. Save one "
            "with numpy.save."
        )
    shape = array.shape
    if array.ndim == 2:
        array = array[..., None]
    elif array.ndim == 3 and shape[0] < min(shape[1:]) and shape[0] <= MOST_BANDS:
        array = np.moveaxis(array, 0, -1)
    if array.ndim != 3 or 0 in shape or array.dtype.kind not in "iuf":
        raise DatasetError(
            f"{file.where}: must be an array (height, width), (height, width, bands) "
            f"or (bands, height, width) of integers or floats, got {array.dtype} "
            f"{shape}. Save it in that form."
        )
    return array


def _pillow_reads(file: SourceFile) -> bool:
    """Whether Pillow reads a file with all of its bits; if not, rasterio may."""
    try:
        if irregular(file.path) is not None:
            return True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file.path) as image:
                return image.mode in _MODES and _has_all(image)
    except UnidentifiedImageError:
        # Pillow knows few of the pixel formats of TIFF.
        return file.path.suffix.lower() not in TIFF_SUFFIXES
    except Exception:
        # Pillow raises anything on a damaged file; `opened` tells what is wrong.
        return True


def _has_all(image: Image.Image) -> bool:
    """Whether Pillow keeps all bits and all bands of an image."""
    count, dtype = _MODES[image.mode]
    if dtype == "uint8" and ";16" in raw_mode(image):
        return False
    tags = getattr(image, "tag_v2", {})
    return image.mode in _AS_SHOWN or tags.get(_SAMPLES_TAG, count) == count


def _pages(image: Image.Image) -> list[int]:
    """Pages of a TIFF that are its bands: all of one band and of one size."""
    number = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
    if number == 1 or _MODES[image.mode][0] > 1:
        return [0]
    pages = []
    size, mode = image.size, image.mode
    for page in range(number):
        image.seek(page)
        # Smaller pages are overviews.
        if image.size == size and image.mode == mode:
            pages.append(page)
    image.seek(0)
    return pages


def _page(image: Image.Image, page: int) -> npt.NDArray:
    image.seek(page)
    return np.array(image)


def _declared_nodata(image: Image.Image) -> float | None:
    text = getattr(image, "tag_v2", {}).get(_NODATA_TAG)
    try:
        return None if text is None else float(str(text).strip("\x00 "))
    except ValueError:
        return None


def _stored_turn(file: SourceFile) -> int:
    """The orientation of the pixels that rasterio gives, which it does not apply."""
    if is_georeferenced(file.path):  # its coordinates say where each pixel is
        return UPRIGHT
    try:
        with opened(file) as image:
            return orientation_of(image)
    except DatasetError:  # a pixel format that Pillow does not know
        return UPRIGHT


def _header_by_rasterio(file: SourceFile) -> RasterHeader:
    require_rasterio_for(file.path)
    with opened_scene(file.path) as source:
        if len(set(source.dtypes)) > 1:
            raise DatasetError(
                f"{file.where}: bands of different types "
                f"({', '.join(source.dtypes)}). Save all as one type."
            )
        size = shown_size(source.height, source.width, _stored_turn(file))
        return RasterHeader(
            *size,
            source.count,
            source.dtypes[0],
            source.nodata,
            has_alpha=source.colorinterp[-1].name == "alpha",
        )
