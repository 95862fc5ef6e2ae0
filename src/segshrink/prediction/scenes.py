"""Segment a georeferenced scene of any size into a GeoTIFF, in bounded memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from segshrink.data import IGNORE_INDEX, SlidingWindow, stream_by_tiles
from segshrink.data.band_reading import BandReader
from segshrink.data.geotiff import gdal_errors, opened_scene
from segshrink.data.pictures import as_rgb
from segshrink.errors import DatasetError
from segshrink.prediction.areas import Areas
from segshrink.prediction.bands import reader_for, require_known_scale
from segshrink.prediction.confidence import SceneConfidence
from segshrink.prediction.painting import blended
from segshrink.prediction.photos import IMAGE_TAG, Photo
from segshrink.prediction.preview import Preview
from segshrink.prediction.scene_reading import (
    SceneRows,
    cache_bytes_of,
    swath_of,
)
from segshrink.prediction.scene_writing import (
    PIXELS_TAG,
    describe,
    finish,
    opened_draft,
    write_window,
)
from segshrink.records import atomic_write
from segshrink.runtimes import Artifact, legend, likeliest_classes

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

# As for photographs; see `predict_image`.
_OVERLAP = 0.25
# Sums of the band of tiles in work, and logits of tiles that wait to be blended.
_HELD_BYTES = 30 * 2**20
# NumPy counts in integers of 8 bytes; counting a whole piece would need much memory.
_COUNTED_ROWS = 32


def segment_scene(
    artifact: Artifact,
    photo: Photo,
    out: Path,
    *,
    on_tiles: Callable[[int], None] | None = None,
) -> Areas:
    """Write classes and preview of one scene of any size.

    The classes are a cloud-optimized GeoTIFF in the scene's coordinates: uint8, 255
    where the scene has no data, with the colours and names of the classes. It holds how
    many pixels each class has, and the preview is at most 2048 pixels wide and high.

    Args:
        artifact: an opened model file.
        photo: from `find_photos`, a scene.
        out: folder to write into.
        on_tiles: receives the number of tiles predicted, after each.

    Returns:
        The area of each class; pixels without data count in none.

    Raises:
        DatasetError: if the scene cannot be read, or its bands are no colours.
        OSError: if the disk is full.
        RunFolderError: if the results cannot be written otherwise.
    """
    with atomic_write(photo.mask(out)) as final:
        draft = final.with_name(f"{final.stem}.draft.tif")
        try:
            preview, counts = _write_draft(artifact, photo, out, draft, on_tiles)
            colors = [color for _, color in legend(artifact)]
            picture = blended(preview.image, preview.labels, colors)
            # A result of another image must not stand beside this overlay.
            photo.mask(out).unlink(missing_ok=True)
            if not photo.has_confidence:
                photo.confidence(out).unlink(missing_ok=True)
            with atomic_write(photo.overlay(out)) as partial:
                # A noisy picture hardly becomes smaller with more effort.
                Image.fromarray(picture).save(partial, compress_level=1)
            # This file is written last: where it exists, the results are complete.
            finish(draft, final, counts)
        finally:
            draft.unlink(missing_ok=True)
    with opened_scene(photo.mask(out)) as result:
        return Areas(counts, pixel_m2(result))


def count_scene_tiles(path: Path, artifact: Artifact) -> int:
    """Number of tiles that `segment_scene` predicts.

    Raises:
        DatasetError: if the scene cannot be opened.
    """
    with opened_scene(path) as source:
        return _sliding_window(source, artifact).count_tiles()


def areas_of_scene(result: Path, num_classes: int, state: str) -> Areas | None:
    """Area of each class in a finished result; None if it belongs to another scene.

    Only the header and the last block are read; a truncated file lacks the latter.

    Args:
        result: the file of classes, from `segment_scene`.
        num_classes: number of classes.
        state: state of the scene, from `Photo.state`.
    """
    from rasterio.windows import Window

    try:
        with opened_scene(result) as source:
            tags = source.tags()
            pixels = json.loads(tags.get(PIXELS_TAG, "null"))
            last = Window(source.width - 1, source.height - 1, 1, 1)
            source.read(1, window=last)
            area = pixel_m2(source)
    except (DatasetError, ValueError) + gdal_errors():
        return None
    if not isinstance(pixels, list) or len(pixels) != num_classes:
        return None
    if tags.get(IMAGE_TAG) != state:
        return None
    return Areas(np.array(pixels, np.int64), area)


def pixel_m2(source: DatasetReader) -> float | None:
    """Square metres that a pixel covers in the plane of the scene's projection.

    None for longitude and latitude, whose pixels differ in size, and without a CRS.
    """
    if source.crs is None or not source.crs.is_projected:
        return None
    _, metres = source.crs.linear_units_factor
    return abs(source.transform.determinant) * float(metres) ** 2


def _sliding_window(source: DatasetReader, artifact: Artifact) -> SlidingWindow:
    return SlidingWindow(
        size_px=source.shape,
        tile_px=artifact.input_shape,
        overlap=_OVERLAP,
        swath_px=swath_of(source, artifact.input_shape, artifact.num_classes),
    )


def _write_draft(
    artifact: Artifact,
    photo: Photo,
    out: Path,
    draft: Path,
    on_tiles: Callable[[int], None] | None,
) -> tuple[Preview, np.ndarray]:
    """Predict a scene window by window into a tiled file that is not yet for users."""
    # Taken before the scene is read, so that one that changes meanwhile is noticed.
    state = photo.state()
    window, cache_bytes = _window_and_cache(photo.path, artifact)
    with (
        opened_scene(photo.path, cache_bytes=cache_bytes) as source,
        opened_draft(draft, source) as target,
        _confidence(photo, out, source) as confidence,
    ):
        preview = Preview.of(source.shape)
        rows = SceneRows(
            source,
            window,
            on_pixels=lambda row, column, part: preview.put(
                preview.image, row, column, as_rgb(part)
            ),
            reader=_reader(artifact, source),
        )
        counts = np.zeros(artifact.num_classes, np.int64)

        def emit(row: int, column: int, logits: np.ndarray) -> None:
            labels = likeliest_classes(logits)
            empty = rows.without_data(row, column, labels.shape)
            if empty is not None:
                labels[empty] = IGNORE_INDEX
            if confidence is not None:
                confidence.put(row, column, logits, empty)
            _add_counts(counts, labels)
            preview.put(preview.labels, row, column, labels)
            write_window(target, row, column, labels)

        stream_by_tiles(
            _predictor(artifact, rows),
            rows.read,
            emit,
            window,
            channels=artifact.num_classes,
            held_bytes=_HELD_BYTES,
            on_tiles=on_tiles,
        )
        describe(target, artifact, counts, state)
    return preview, counts


def _window_and_cache(path: Path, artifact: Artifact) -> tuple[SlidingWindow, int]:
    with opened_scene(path) as source:
        window = _sliding_window(source, artifact)
        return window, cache_bytes_of(source, window)


def _confidence(
    photo: Photo, out: Path, source: DatasetReader
) -> AbstractContextManager[SceneConfidence | None]:
    """The file of confidence beside the classes, if it is wanted."""
    if not photo.has_confidence:
        return nullcontext()
    return SceneConfidence(photo.confidence(out)).opened(source)


def _reader(artifact: Artifact, source: DatasetReader) -> BandReader | None:
    """The reader of a scene's bands; None for RGB.

    Raises:
        DatasetError: if the scene lacks a band, or its values have no known scale.
    """
    reader = reader_for(artifact)
    if reader is None:
        return None
    if max(reader.use) > source.count:
        raise DatasetError(
            f"{source.name}: has {source.count} bands, but {artifact.path} takes bands "
            f"{', '.join(map(str, reader.use))}. Name images of the kind that it was "
            "trained on."
        )
    kinds = {source.dtypes[number - 1] for number in reader.use}
    require_known_scale(reader, kinds, source.name, artifact)
    return reader


def _predictor(
    artifact: Artifact, rows: SceneRows
) -> Callable[[np.ndarray], np.ndarray]:
    """Predicts a tile, unless the scene has no data there."""
    nothing = np.zeros((1, *artifact.input_shape, artifact.num_classes), np.float32)

    def predict(tile: np.ndarray) -> np.ndarray:
        # The pixels of an empty tile become void, whatever their logits.
        return artifact.predict(tile) if rows.next_tile_has_data() else nothing

    return predict


def _add_counts(counts: np.ndarray, labels: np.ndarray) -> None:
    """Count the pixels of each class; void pixels are left out."""
    for start in range(0, len(labels), _COUNTED_ROWS):
        some = labels[start : start + _COUNTED_ROWS].ravel()
        counts += np.bincount(some, minlength=len(counts))[: len(counts)]
