"""Data sets of bands, as `bands` of dataset.yaml has them or as they are found."""

import numpy as np
import pytest
from PIL import Image

from segshrink.data import inspect_dataset, open_dataset
from segshrink.errors import DatasetError
from segshrink.records.bands import Bands

from .test_rasters import as_array, as_geotiff, as_pages, numbers

SPLIT = "split: {train: [a, b], val: [c], test: [d]}\n"
CLASSES = "classes:\n  - {name: low, index: 0}\n  - {name: high, index: 1}\n"


def folder(root, images, bands="", write=as_array):
    """A flat data set of these images; labels are where the first band is high."""
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    for name, values in images.items():
        write(root / "images" / name, values)
        labels = (values[..., 0] > np.median(values[..., 0])).astype(np.uint8)
        Image.fromarray(labels).save(root / "masks" / f"{name}.png")
    (root / "dataset.yaml").write_text(CLASSES + SPLIT + bands)
    return root


def four(dtype, count, low=0, high=4000):
    generator = np.random.default_rng(count)
    return {
        name: generator.integers(low, high, (12, 15, count)).astype(dtype)
        for name in "abcd"
    }


@pytest.mark.parametrize("write", [as_array, as_pages, as_geotiff])
def test_bands_are_used_in_the_order_that_is_asked_for(tmp_path, write):
    images = four("uint16", 5)
    root = folder(
        tmp_path, images, "bands: {use: [4, 1, 5, 4], scale: [0, 5000]}", write
    )
    dataset = open_dataset(root)
    assert dataset.train.num_bands == dataset.test.num_bands == 4
    expected = Bands(use=(4, 1, 5, 4), scale=((0, 5000),) * 4)
    assert dataset.train.bands == dataset.test.bands == expected
    pixels, labels = dataset.test[0].read()
    values = images["d"]
    for row, column in np.ndindex(12, 15):
        for channel, number in enumerate([4, 1, 5, 4]):
            wanted = round(float(values[row, column, number - 1]) * 255 / 5000)
            assert pixels[row, column, channel] == wanted
    np.testing.assert_array_equal(labels, values[..., 0] > np.median(values[..., 0]))


def test_a_pair_for_each_band(tmp_path):
    scale = "[[0, 10], [-5, 5]]"
    root = folder(tmp_path, four("int16", 2), f"bands: {{scale: {scale}}}")
    assert open_dataset(root).train.bands.scale == ((0, 10), (-5, 5))


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_the_scale_is_counted_over_the_training_part(tmp_path, dtype):
    images = four(dtype, 2, low=10)
    if dtype == "int16":
        images["a"][0, 0] = -300
    images["d"][:] = 30000
    dataset = open_dataset(folder(tmp_path, images, "bands: {use: [2, 1]}"))
    trained = np.concatenate([images["a"], images["b"]]).reshape(-1, 2)[:, ::-1]
    if dtype == "float32":
        wanted = np.percentile(trained, (0.1, 99.9), axis=0).T
    else:
        wanted = [(min(0, x.min()), x.max()) for x in trained.T]
    np.testing.assert_allclose(dataset.train.bands.scale, wanted)
    assert dataset.test.bands == dataset.train.bands
    told = [x for x in dataset.notices if "counted over the training part" in x]
    assert len(told) == 1 and "bands 2, 1," in told[0]


def test_a_few_bright_pixels_do_not_take_the_grey_levels(tmp_path):
    images = four("uint16", 1, high=1000)
    images["a"] = np.random.default_rng(0).integers(0, 1000, (64, 64, 1), np.uint16)
    images["a"][0, 0] = 60000
    dataset = open_dataset(folder(tmp_path, images, "bands: {use: [1]}"))
    ((low, high),) = dataset.train.bands.scale
    assert low == 0 and 950 < high < 1000
    assert dataset.train.num_bands == 1


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_deviations_are_counted_over_the_training_part(tmp_path, dtype):
    images = four(dtype, 3, high=200)
    root = folder(tmp_path, images, "bands: {scale: deviations}")
    trained = np.concatenate([images["a"], images["b"]]).reshape(-1, 3).astype(float)
    mean, deviation = trained.mean(axis=0), trained.std(axis=0)
    wanted = np.stack([mean - 3 * deviation, mean + 3 * deviation], axis=1)
    np.testing.assert_allclose(open_dataset(root).train.bands.scale, wanted)


@pytest.mark.parametrize("most", [65535, 4095, 1023])
def test_deep_greyscale_keeps_its_grey_levels(tmp_path, most):
    # Microscopes save 10 and 12 bits in files of 16.
    ramp = np.linspace(0, most, 180).astype(np.uint16).reshape(12, 15, 1)
    dataset = open_dataset(folder(tmp_path, dict.fromkeys("abcd", ramp), "", as_pages))
    pixels, _ = dataset.train[0].read()
    assert pixels.shape == (12, 15, 3)
    assert len(np.unique(pixels)) == len(np.unique(ramp)) == 180
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert dataset.train.bands.scale == ((0, most),) * 3
    assert any("1 band of uint16, used for red, green" in x for x in dataset.notices)


def test_grey_of_eight_bits_becomes_rgb_unless_one_band_is_asked_for(tmp_path):
    images = four("uint8", 1, high=255)
    root = folder(tmp_path / "rgb", images, "", as_pages)
    assert open_dataset(root).train.num_bands == 3
    assert open_dataset(root).train.bands is None
    root = folder(tmp_path / "grey", images, "bands: {use: [1]}", as_pages)
    dataset = open_dataset(root)
    assert dataset.train.num_bands == 1
    assert dataset.train.bands == Bands(use=(1,), scale=((0, 255),))
    np.testing.assert_array_equal(dataset.train[0].read()[0], images["a"])


@pytest.mark.parametrize("write", [as_array, as_geotiff])
def test_files_of_as_many_bands_are_used_whole_and_this_is_told(tmp_path, write):
    dataset = open_dataset(folder(tmp_path, four("uint8", 5, high=255), "", write))
    assert dataset.train.bands == Bands(use=(1, 2, 3, 4, 5), scale=((0, 255),) * 5)
    assert "Images have 5 bands of uint8, which are all used" in str(dataset.notices)


def test_plain_pictures_stay_as_they_were(tmp_path):
    images = {name: numbers("uint8", 3) for name in "abcd"}

    def write(path, values):
        Image.fromarray(values).save(path.with_suffix(".tif"))

    dataset = open_dataset(folder(tmp_path, images, "", write))
    assert dataset.train.bands is None and dataset.train[0].image.reader is None


@pytest.mark.parametrize("declared", [True, False])
def test_no_data_is_void_and_black(tmp_path, declared):
    images = four("int16", 2, low=100)
    images["a"][:3] = -9999  # every band
    images["a"][5, 5, 1] = -9999  # one of two
    if declared:

        def write(path, values):
            return as_geotiff(path, values, nodata=-9999)

        root = folder(tmp_path, images, "", write)
    else:
        root = folder(tmp_path, images, "bands: {nodata: -9999}")
    dataset = open_dataset(root)
    pixels, labels = dataset.train[0].read()
    assert (labels[:3] == 255).all() and (labels[3:] < 2).all()
    assert not pixels[:3].any() and pixels[5, 5, 1] == 0 < pixels[5, 5, 0]
    # It counts in no scale either.
    assert all(low == 0 for low, _ in dataset.train.bands.scale)


def test_nan_is_no_data(tmp_path):
    images = four("float32", 2, low=100)
    images["a"][2, 3] = np.nan
    pixels, labels = open_dataset(folder(tmp_path, images)).train[0].read()
    assert labels[2, 3] == 255 and (labels == 255).sum() == 1
    assert not pixels[2, 3].any()


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        ("{use: [0]}", "bands.use.0: .*greater than or equal to 1"),
        ("{use: []}", "bands.use: .*at least 1"),
        ("{use: [1, 6]}", "a.npy: has 5 bands, but band 6 is used. Bands count from 1"),
        ("{scale: [10, 0]}", "scale must be low < high, got 10, 0"),
        ("{use: [1, 2, 3], scale: [[0, 1], [0, 2]]}", "one for each of 3 bands, got 2"),
        ("{scale: [[0, 1], [0, 2]]}", "has 2 pairs, but images have 5 bands"),
        ("{skale: [0, 1]}", "bands.skale: "),
    ],
)
def test_faults_are_told(tmp_path, bands, message):
    root = folder(tmp_path, four("uint16", 5), f"bands: {bands}")
    with pytest.raises(DatasetError, match=message):
        open_dataset(root)


def test_inspection_decodes_bands(tmp_path):
    root = folder(tmp_path, four("uint16", 5))
    (root / "images" / "c.npy").write_bytes(b"damaged")
    report = inspect_dataset(root)
    assert any("c.npy: not an array" in fault for fault in report.faults)


@pytest.mark.parametrize("count", [1, 3])
def test_nodata_of_plain_pictures_is_told_and_taken_where_bands_are(tmp_path, count):
    def write(path, values):
        kind = "rgb" if count == 3 else "minisblack"
        as_geotiff(path, values, nodata=0, photometric=kind)

    images = four("uint8", count, low=1, high=255)
    images["a"][:, :4] = 0
    root = folder(tmp_path / "plain", images, "", write)
    dataset = open_dataset(root)
    assert dataset.train.bands is None
    [notice] = [x for x in dataset.notices if "no data" in x]
    use = [1, 2, 3] if count == 3 else [1, 1, 1]
    assert notice.startswith("4 images say which value is no data")
    assert f"`bands: {{use: {use}}}`" in notice
    banded = open_dataset(
        folder(tmp_path / "bands", images, f"bands: {{use: {use}}}", write)
    )
    assert not any("no data" in x for x in banded.notices)
    _, labels = banded.train[0].read()
    assert (labels[:, :4] == 255).all() and (labels[:, 4:] != 255).all()
