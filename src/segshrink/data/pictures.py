"""Pixels of any number of bands as pictures that Pillow works on."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image


def by_pictures(
    pixels: npt.NDArray[np.uint8],
    change: Callable[[Image.Image, slice], Image.Image],
) -> npt.NDArray[np.uint8]:
    """Change pixels with Pillow, which knows pictures of one, three and four bands.

    Args:
        pixels: uint8 `(height, width, bands)`.
        change: receives a picture of some of the bands, and which ones it has. The
            bands are changed independently: none is an alpha channel to Pillow.

    Returns:
        uint8 `(height, width, bands)`, of the size that `change` gives; read-only for
        up to four bands.
    """
    groups = _groups(pixels.shape[-1])
    if len(groups) == 1:
        return _as_pixels(change(_as_picture(pixels), groups[0]))
    changed = [
        _as_pixels(change(_as_picture(pixels[..., bands]), bands)) for bands in groups
    ]
    return np.concatenate(changed, axis=-1)


def as_rgb(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Pixels as they are shown: the first three bands, or the first one as grey.

    Args:
        pixels: uint8 `(height, width, bands)`.

    Returns:
        uint8 `(height, width, 3)`.
    """
    if pixels.shape[-1] < 3:
        return np.repeat(pixels[..., :1], 3, axis=-1)
    return pixels[..., :3]


def _groups(num_bands: int) -> list[slice]:
    """Bands that make a picture each; two alone are two pictures."""
    groups = []
    start = 0
    while start < num_bands:
        left = num_bands - start
        size = min(left, 4) if left > 2 else 1
        groups.append(slice(start, start + size))
        start += size
    return groups


def _as_picture(pixels: npt.NDArray[np.uint8]) -> Image.Image:
    height, width, bands = pixels.shape
    if bands == 4:
        # As RGBA, colours would be weighted by the fourth band when they are resized.
        data = np.ascontiguousarray(pixels)
        return Image.frombuffer("CMYK", (width, height), data, "raw", "CMYK", 0, 1)
    return Image.fromarray(
        np.ascontiguousarray(pixels[..., 0] if bands == 1 else pixels)
    )


def _as_pixels(picture: Image.Image) -> npt.NDArray[np.uint8]:
    pixels = np.asarray(picture)
    return pixels[..., None] if pixels.ndim == 2 else pixels
