"""Georeferenced scenes."""

import numpy as np
import rasterio
from rasterio.transform import from_origin

# Half a metre a pixel, in zone 32 of UTM.
HALF_METRE = from_origin(400_000, 5_500_000, 0.5, 0.5)


def write_scene(path, pixels, *, crs="EPSG:25832", transform=HALF_METRE, **options):
    """`pixels` `(height, width, bands)` as a GeoTIFF; options are rasterio's."""
    mask, colors = options.pop("mask", None), options.pop("colorinterp", None)
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=pixels.shape[0],
            width=pixels.shape[1],
            count=pixels.shape[2],
            dtype=pixels.dtype,
            crs=crs,
            transform=transform,
            **options,
        ) as target:
            if colors is not None:
                target.colorinterp = colors
            target.write(np.moveaxis(pixels, -1, 0))
            if mask is not None:
                target.write_mask(mask)
    return path


def read_classes(path):
    with rasterio.open(path) as source:
        return source.read(1)
