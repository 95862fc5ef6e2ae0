"""Damaged images: whatever Pillow raises is one error that names the file."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from segshrink.data import images
from segshrink.data.orientation import oriented
from segshrink.data.rasters import read_raster, read_raster_header
from segshrink.errors import DatasetError

from .pictures import noise, save, source_file

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
    )


def _png(*chunks: bytes, kind: int = 2) -> bytes:
    """A picture of 4 x 4 pixels with more chunks in front of its pixels."""
    row = b"\0" + bytes(4 * (3 if kind == 2 else 1))
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, kind, 0, 0, 0))
    pixels = _chunk(b"IDAT", zlib.compress(row * 4))
    return SIGNATURE + head + b"".join(chunks) + pixels + _chunk(b"IEND", b"")


BOMB = zlib.compress(bytes(1 << 27))
CHUNKS = {
    "text bomb": _chunk(b"zTXt", b"a\0\0" + BOMB),
    "international text bomb": _chunk(b"iTXt", b"a\0\1\0\0\0" + BOMB),
    "profile bomb": _chunk(b"iCCP", b"a\0\0" + BOMB),
    "many text bombs": 70 * _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 20))),
    "short tRNS": _chunk(b"tRNS", b"\0"),
    "short gAMA": _chunk(b"gAMA", b""),
    "short pHYs": _chunk(b"pHYs", b"\0"),
    "short cHRM": _chunk(b"cHRM", b"\0\0\0"),
    "short sRGB": _chunk(b"sRGB", b""),
    "short acTL": _chunk(b"acTL", b"\0"),
    "short fcTL": _chunk(b"acTL", struct.pack(">II", 2, 0)) + _chunk(b"fcTL", b"\0"),
    "odd eXIf": _chunk(b"eXIf", b"MM\0*\0\0\xff\xff"),
    "broken text": _chunk(b"zTXt", b"a\0\x07") + _chunk(b"iTXt", b"a\0"),
}


@pytest.mark.parametrize("case", CHUNKS)
@pytest.mark.parametrize("read", [images.read_image, images.read_header])
def test_broken_chunks_are_one_error_or_do_not_matter(tmp_path, case, read):
    path = tmp_path / "x.png"
    path.write_bytes(_png(CHUNKS[case]))
    for file in (source_file(path), images.SourceFile(path, "x.png", False)):
        try:
            read(file)
        except DatasetError as error:
            reasons = ("cannot be decoded (", "not an image that can be read")
            assert str(error).startswith(tuple(f"{file.where}: {x}" for x in reasons))


@pytest.mark.parametrize("case", ["text bomb", "short pHYs", "short fcTL"])
def test_these_chunks_are_refused(tmp_path, case):
    path = tmp_path / "x.png"
    path.write_bytes(_png(CHUNKS[case]))
    with pytest.raises(DatasetError, match="x.png: cannot be decoded"):
        images.read_image(source_file(path))
    with pytest.raises(DatasetError, match="x.png: cannot be decoded"):
        read_raster_header(source_file(path))


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "webp", "bmp", "gif"])
def test_any_flipped_bytes_are_pixels_or_one_error(tmp_path, suffix):
    whole = save(tmp_path / f"whole.{suffix}", noise(12, 12)).read_bytes()
    random = np.random.default_rng(0)
    path = tmp_path / f"x.{suffix}"
    for _ in range(150):
        damaged = bytearray(whole)
        for place in random.integers(0, min(len(whole), 200), 3):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged)
        for read in (images.read_image, images.read_header, images.check_whole):
            try:
                read(source_file(path))
            except DatasetError as error:
                assert f"x.{suffix}: " in str(error)


def test_a_fault_of_our_own_is_no_fault_of_the_image(tmp_path):
    path = save(tmp_path / "x.png", noise(4, 4))
    with pytest.raises(KeyError), images.opened(source_file(path)):
        raise KeyError("ours")


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    pipe, link = tmp_path / "x.png", tmp_path / "y.tif"
    os.mkfifo(pipe)
    link.symlink_to("/dev/zero")
    for path, kind in ((pipe, "a pipe"), (link, "a device")):
        for read in (images.read_image, read_raster_header):
            with pytest.raises(DatasetError, match=f"{kind}, where a regular file"):
                read(source_file(path))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_a_tiff_is_that_of_a_jpeg(tmp_path, orientation):
    pixels = noise(16, 8)
    path = tmp_path / "x.tif"
    tags = {0x0112: orientation}
    Image.fromarray(pixels).save(path, tiffinfo=tags)
    found = images.read_image(source_file(path))
    np.testing.assert_array_equal(found, oriented(pixels, orientation))


def test_small_file_of_many_pixels_is_refused(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    path = tmp_path / "x.tif"
    profile = {
        "driver": "GTiff", "width": 60_000, "height": 60_000, "count": 4,
        "dtype": "uint16", "compress": "deflate", "SPARSE_OK": True,
        "tiled": True, "blockxsize": 2048, "blockysize": 2048,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile):
        pass
    with pytest.raises(DatasetError, match="would be unpacked to 28,800,000,000"):
        read_raster(source_file(path), (1, 2, 3, 4))
