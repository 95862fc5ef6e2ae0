"""Writing the classes of a scene: windows to a draft, and the draft to the result."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segshrink.data import IGNORE_INDEX
from segshrink.data.geotiff import bounded_gdal, gdal_errors, opened_scene
from segshrink.errors import RunFolderError
from segshrink.prediction.photos import IMAGE_TAG
from segshrink.prediction.scene_reading import BLOCK_PX
from segshrink.runtimes import SWATH_PX, Artifact, legend

if TYPE_CHECKING:
    from rasterio.io import DatasetReader, DatasetWriter

PIXELS_TAG = "PIXELS"

# The fastest compression: class maps get small with any, and pixels are many.
_DRAFT = {
    "driver": "GTiff",
    "count": 1,
    "dtype": "uint8",
    "nodata": IGNORE_INDEX,
    "tiled": True,
    "blockxsize": BLOCK_PX,
    "blockysize": BLOCK_PX,
    "compress": "DEFLATE",
    "zlevel": 1,
    "bigtiff": "IF_SAFER",
}
_FINAL = {
    "driver": "COG",
    "blocksize": BLOCK_PX,
    "compress": "DEFLATE",
    "level": 1,
    "overview_resampling": "NEAREST",
    "bigtiff": "IF_SAFER",
    "num_threads": "ALL_CPUS",
}


@contextmanager
def opened_draft(
    path: Path, source: DatasetReader, *, no_data: int = IGNORE_INDEX
) -> Iterator[DatasetWriter]:
    """Create a tiled file of class indices, with the georeference of a scene.

    Args:
        path: the file.
        source: the scene.
        no_data: value of pixels without data.

    Raises:
        RunFolderError: if it cannot be written.
    """
    import rasterio

    with _writing(path):
        profile = _DRAFT | {"nodata": no_data} | _georeference(source)
        target = rasterio.open(path, "w", **profile)
    try:
        yield target
    finally:
        with _writing(path):
            target.close()


def _georeference(source: DatasetReader) -> dict[str, object]:
    size: dict[str, object] = {"width": source.width, "height": source.height}
    points, crs = source.gcps
    if points:
        return size | {"gcps": points, "crs": crs}
    return size | {"transform": source.transform, "crs": source.crs}


def write_window(
    target: DatasetWriter, row: int, column: int, labels: np.ndarray
) -> None:
    """Write a piece of the class indices.

    Raises:
        OSError: if the disk is full.
        RunFolderError: if it cannot be written otherwise.
    """
    from rasterio.windows import Window

    height, width = labels.shape
    path = Path(target.name)
    require_space(path, 2 * labels.nbytes)
    with _writing(path):
        target.write(labels, 1, window=Window(column, row, width, height))


def describe(
    target: DatasetWriter, artifact: Artifact, counts: np.ndarray, state: str
) -> None:
    """Store names, colours and pixel counts of the classes, and which image it was.

    Args:
        target: from `opened_draft`.
        artifact: the model file.
        counts: int64 `(classes,)`, pixels of each class.
        state: state of the scene, from `Photo.state`.
    """
    known = legend(artifact)
    target.write_colormap(1, {i: (*color, 255) for i, (_, color) in enumerate(known)})
    target.update_tags(**{PIXELS_TAG: json.dumps(counts.tolist()), IMAGE_TAG: state})
    target.update_tags(1, **{f"CLASS_{i}": name for i, (name, _) in enumerate(known)})
    target.set_band_description(1, "class")


def finish(draft: Path, final: Path, counts: np.ndarray) -> None:
    """Convert a draft to a cloud-optimized file with overviews.

    Args:
        draft: from `opened_draft`.
        final: the file to write.
        counts: int64 `(classes,)`, pixels of each class.

    Raises:
        OSError: if the disk is full.
        RunFolderError: if it cannot be written, or does not hold these pixel counts.
    """
    import rasterio
    import rasterio.shutil
    from rasterio.enums import Resampling

    with bounded_gdal(), _writing(final):
        # Copying would add the overviews too, but takes twice as long.
        require_space(final, draft.stat().st_size)
        with rasterio.open(draft, "r+") as target:
            factors = _overview_factors(target.shape)
            if factors:
                target.build_overviews(factors, Resampling.nearest)
        require_space(final, draft.stat().st_size)
        rasterio.shutil.copy(draft, final, **_FINAL)
        # GDAL writes late, and reports no error that occurs while it closes a file.
        is_whole = np.array_equal(_counts(final, len(counts)), counts)
    if not is_whole:
        raise _unwritable(final, "it holds other pixels than were written")


def _overview_factors(size_px: tuple[int, int]) -> list[int]:
    """Powers of 2 up to the one at which the picture fits into one block."""
    count = max(0, math.ceil(math.log2(max(size_px) / BLOCK_PX)))
    return [2 ** (i + 1) for i in range(count)]


def _counts(path: Path, num_classes: int) -> np.ndarray:
    """Number of pixels of each class in a file."""
    from rasterio.windows import Window

    counts = np.zeros(IGNORE_INDEX + 1, np.int64)
    with opened_scene(path) as source:
        for row in range(0, source.height, BLOCK_PX):
            for column in range(0, source.width, SWATH_PX):
                height = min(BLOCK_PX, source.height - row)
                width = min(SWATH_PX, source.width - column)
                labels = source.read(1, window=Window(column, row, width, height))
                counts += np.bincount(labels.ravel(), minlength=len(counts))
    return counts[:num_classes]


def require_space(path: Path, size_bytes: int) -> None:
    """Check for a full disk, since GDAL would continue to write regardless."""
    if shutil.disk_usage(path.parent).free < size_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path.parent))


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except gdal_errors() as error:
        # Rasterio hides GDAL's message behind a general one.
        raise _unwritable(path, error.__cause__ or error) from error


def _unwritable(path: Path, reason: object) -> RunFolderError:
    return RunFolderError(
        f"{path}: cannot be written ({reason}). Make room there or name another place; "
        "finished results are kept, and the same command resumes."
    )
