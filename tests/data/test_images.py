import numpy as np
import pytest
from PIL import Image

from segshrink.data import images
from segshrink.data.images import SourceFile
from segshrink.errors import DatasetError

from .pictures import cut_off, noise, save, source_file, write_png


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "tiff"])
def test_lossless_formats_are_read_exactly(tmp_path, suffix):
    pixels = noise(7, 9)
    path = save(tmp_path / f"x.{suffix}", pixels)
    np.testing.assert_array_equal(images.read_image(source_file(path)), pixels)


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "webp"])
def test_lossy_formats_are_read(tmp_path, suffix):
    path = save(tmp_path / f"x.{suffix}", np.full((8, 8, 3), 90, np.uint8))
    image = images.read_image(source_file(path))
    assert image.shape == (8, 8, 3)
    assert np.abs(image.astype(int) - 90).max() <= 3


def test_greyscale_becomes_rgb(tmp_path):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    file = source_file(save(tmp_path / "x.png", grey))
    np.testing.assert_array_equal(
        images.read_image(file), np.stack([grey] * 3, axis=-1)
    )
    assert images.read_header(file).conversions == (images.GREYSCALE,)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize(
    ("most", "bits"), [(65535, 16), (4095, 12), (2100, 12), (1023, 10), (200, 8)]
)
def test_sixteen_bit_greyscale_is_scaled_from_its_depth(tmp_path, suffix, most, bits):
    deep = np.linspace(0, most, 300).astype(np.uint16).reshape(15, 20)
    file = source_file(save(tmp_path / f"x.{suffix}", deep))
    levels = images.read_image(file)
    for row, column in np.ndindex(15, 20):
        expected = round(int(deep[row, column]) * 255 / (2**bits - 1))
        assert levels[row, column].tolist() == [expected] * 3
    expected = (images.GREYSCALE, images.SIXTEEN_BIT)
    assert images.read_header(file).conversions == expected


def test_sixteen_bit_color_is_noticed(tmp_path):
    row = bytes([0x12, 0xFF, 0x34, 0x00, 0x56, 0x80])  # one pixel
    path = write_png(tmp_path / "x.png", [row], width=1, depth=16, kind=2)
    file = source_file(path)
    assert images.read_header(file).conversions == (images.SIXTEEN_BIT,)
    # 0x5680 is of 16 bits, or of 15; dividing by 257 keeps the upper eight.
    np.testing.assert_array_equal(images.read_image(file), [[[0x13, 0x34, 0x56]]])


def test_twelve_bits_in_sixteen_bit_color_are_kept(tmp_path):
    values = [0x0FFF, 0x0800, 0x0013]
    row = b"".join(value.to_bytes(2, "big") for value in values)
    path = write_png(tmp_path / "x.png", [row], width=1, depth=16, kind=2)
    expected = [[[round(value * 255 / 4095) for value in values]]]
    np.testing.assert_array_equal(images.read_image(source_file(path)), expected)


def test_alpha_is_dropped(tmp_path):
    pixels = np.dstack([noise(4, 5), np.full((4, 5), 3, np.uint8)])
    file = source_file(save(tmp_path / "x.png", pixels))
    np.testing.assert_array_equal(images.read_image(file), pixels[..., :3])
    assert images.read_header(file).conversions == (images.ALPHA,)


def test_a_palette_becomes_rgb(tmp_path):
    picture = Image.fromarray(np.array([[0, 1]], np.uint8), mode="P")
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.save(tmp_path / "x.png")
    file = source_file(tmp_path / "x.png")
    np.testing.assert_array_equal(
        images.read_image(file), [[[10, 20, 30], [40, 50, 60]]]
    )
    assert images.read_header(file).conversions == (images.PALETTE,)


def test_an_exif_orientation_is_noticed_and_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(8, 16)).save(tmp_path / "x.jpg", exif=exif)
    file = source_file(tmp_path / "x.jpg")
    header = images.read_header(file)
    assert (header.height_px, header.width_px) == (16, 8)
    assert header.conversions == (images.ROTATED,)
    assert images.read_image(file).shape == (16, 8, 3)


@pytest.mark.parametrize(("kind", "count"), [(2, 3), (6, 4), (4, 2)])
@pytest.mark.parametrize("orientation", [1, 3])
def test_twelve_bits_in_sixteen_are_kept_whatever_the_channels(
    tmp_path, kind, count, orientation
):
    pytest.importorskip("rasterio")
    values = np.random.default_rng(0).integers(0, 4096, (5, 7, count))
    values[0, 0] = 4095
    rows = [row.astype(">u2").tobytes() for row in values]
    path = tmp_path / "x.png"
    write_png(path, rows, width=7, depth=16, kind=kind, orientation=orientation)
    expected = np.rint(values[..., [0, 0, 0] if count == 2 else [0, 1, 2]] * 255 / 4095)
    if orientation == 3:
        expected = np.rot90(expected, 2)
    np.testing.assert_array_equal(images.read_image(source_file(path)), expected)


@pytest.mark.parametrize("work", [images.read_header, images.read_image])
def test_other_pixel_kinds_are_refused(tmp_path, work):
    Image.fromarray(noise(4, 4)).convert("CMYK").save(tmp_path / "x.jpg")
    with pytest.raises(DatasetError) as error:
        work(source_file(tmp_path / "x.jpg"))
    assert str(error.value) == (
        "x.jpg: pixels are of kind 'CMYK', but must be RGB, greyscale or palette. "
        "Save it as RGB with 8 bits per channel."
    )


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("work", [images.read_image, images.check_whole])
def test_a_file_that_is_cut_off_is_named(tmp_path, suffix, work):
    path = save(tmp_path / f"x.{suffix}", noise(64, 64))
    cut_off(path)
    with pytest.raises(DatasetError) as error:
        work(source_file(path))
    assert str(error.value).startswith(f"x.{suffix}: cannot be decoded (image file is")
    assert str(error.value).endswith(
        "Download or export it again, or remove it and its counterpart."
    )


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "tif", "webp"])
def test_a_whole_file_is_whole(tmp_path, suffix):
    images.check_whole(source_file(save(tmp_path / f"x.{suffix}", noise(64, 64))))


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_bytes_after_the_end_do_no_harm(tmp_path, suffix):
    path = save(tmp_path / f"x.{suffix}", noise(64, 64))
    path.write_bytes(path.read_bytes() + bytes(1000))
    images.check_whole(source_file(path))


@pytest.mark.parametrize("content", [b"", b"no image at all"])
def test_a_file_that_is_no_image_is_named(tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(DatasetError, match=r"^x\.png: not an image that can be read"):
        images.read_header(source_file(tmp_path / "x.png"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"^x\.png: no such file\.$"):
        images.read_image(source_file(tmp_path / "x.png"))


def test_an_image_that_pillow_finds_too_large_is_named(tmp_path, monkeypatch):
    path = save(tmp_path / "x.png", noise(40, 40))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DatasetError) as error:
        images.read_header(source_file(path))
    received = "x.png: too large to decode at once (Image size (1600 pixels) exceeds "
    assert str(error.value) == received + (
        "limit of 200 pixels). Cut it, and its counterpart, into smaller images."
    )
    # A photograph that belongs to no data set has no counterpart.
    with pytest.raises(DatasetError) as error:
        images.read_image(SourceFile(path, "x.png", is_paired=False))
    assert str(error.value) == received + (
        "limit of 200 pixels). Cut it into smaller images, or save it as a "
        "georeferenced .tif: such scenes are read by windows, at any size."
    )


def test_an_image_that_pillow_warns_of_is_read_without_a_word(
    tmp_path, monkeypatch, recwarn
):
    pixels = noise(10, 15)
    path = save(tmp_path / "x.png", pixels)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    np.testing.assert_array_equal(images.read_image(source_file(path)), pixels)
    assert not recwarn.list


def test_a_damaged_photograph_has_no_counterpart(tmp_path):
    path = save(tmp_path / "x.png", noise(64, 64))
    cut_off(path)
    for content in (path.read_bytes(), b"no image"):
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=r"again, or remove it\.$"):
            images.read_image(SourceFile(path, "x.png", is_paired=False))
