"""Readers for the images of a layout: by dataset.yaml, or by the files themselves."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from segshrink.data.band_reading import BandReader
from segshrink.data.bands import BandsEntry
from segshrink.data.images import SourceFile
from segshrink.data.layouts.layout import Layout
from segshrink.data.parallel import in_parallel
from segshrink.data.rasters import (
    ARRAY_SUFFIX,
    TIFF_SUFFIXES,
    RasterHeader,
    read_raster_header,
)
from segshrink.errors import DatasetError, SegshrinkError
from segshrink.records.bands import MOST_BANDS

# In a PNG: signature, length and kind of the first chunk, width, height, bits.
_PNG_BITS_AT = 24


def with_readers(layout: Layout, entry: BandsEntry | None) -> Layout:
    """The layout, with a reader for each image that is not a plain RGB picture.

    Args:
        layout: images and masks.
        entry: the bands of dataset.yaml; without it, bands are used where all images
            are files of as many bands or of more than 8 bits, and this is told.
    """
    if not layout.pairs:
        return layout
    files = [pair.image for pair in layout.pairs]
    notice = None
    try:
        if entry is not None:
            count = len(entry.files) or read_raster_header(files[0]).count
            reader: BandReader | None = entry.reader(count)
        else:
            reader, notice = _found_reader(files)
    except DatasetError as error:
        return replace(layout, faults=(*layout.faults, str(error)))
    notices = (*layout.notices, *([notice] if notice else []))
    if reader is None:
        return replace(layout, notices=notices)
    pairs = tuple(
        replace(pair, image=replace(pair.image, reader=reader)) for pair in layout.pairs
    )
    return replace(layout, pairs=pairs, notices=notices)


def _found_reader(files: Sequence[SourceFile]) -> tuple[BandReader | None, str | None]:
    """A reader for files that nothing describes; None if they are plain pictures."""
    if not all(_may_be_bands(file.path) for file in files):
        return None, None
    headers = [each for each in in_parallel(_try_header, files) if each is not None]
    if not headers or not all(_alike(each, headers[0]) for each in headers):
        return None, None
    first = headers[0]
    count = first.count - first.has_alpha
    if count in (1, 3) and first.is_picture:
        return None, _ignored_nodata(headers, count)
    kind = f"Images have {count} band{'s' * (count > 1)} of {first.dtype}"
    if count == 1:
        text = "used for red, green and blue. `bands: {use: [1]}` keeps one channel."
        return BandReader((1, 1, 1)), f"{kind}, {text}"
    if count > MOST_BANDS:
        raise DatasetError(
            f"{files[0].where}: has {count} bands, of which {MOST_BANDS} at most can "
            "be used. Choose some with `bands: {use: [...]}` in dataset.yaml."
        )
    text = "which are all used. `bands: {use: [...]}` in dataset.yaml chooses."
    return BandReader(tuple(range(1, count + 1))), f"{kind}, {text}"


def _ignored_nodata(headers: Sequence[RasterHeader], count: int) -> str | None:
    """A notice where pictures say which of their values are no data."""
    telling = sum(header.nodata is not None for header in headers)
    if not telling:
        return None
    use = [1, 2, 3] if count == 3 else [1, 1, 1]
    return (
        f"{telling} image{'s say' if telling > 1 else ' says'} which value is no data; "
        f"it is taken for a colour. `bands: {{use: {use}}}` in dataset.yaml "
        "leaves such pixels out."
    )


def _may_be_bands(path: Path) -> bool:
    """Whether a file may be more than a plain picture, by its first bytes at most."""
    suffix = path.suffix.lower()
    if suffix in (ARRAY_SUFFIX, *TIFF_SUFFIXES):
        return True
    if suffix != ".png":
        return False
    try:
        with path.open("rb") as file:
            start = file.read(_PNG_BITS_AT + 1)
    except OSError:
        return False
    return len(start) > _PNG_BITS_AT and start[_PNG_BITS_AT] == 16


def _try_header(file: SourceFile) -> RasterHeader | None:
    try:
        return read_raster_header(file)
    except SegshrinkError:
        return None  # the survey tells


def _alike(header: RasterHeader, other: RasterHeader) -> bool:
    return (header.count, header.dtype) == (other.count, other.dtype)
