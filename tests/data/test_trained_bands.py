"""Data read as a model takes it, and the other ways in which bands reach a model."""

import numpy as np
import pytest
from PIL import Image

from segshrink.data import convert_dataset, open_dataset
from segshrink.data.trained_bands import dataset_as_trained, part_as_trained
from segshrink.distillation.digests import images_digest
from segshrink.errors import DatasetError
from segshrink.records.bands import Bands

from .test_bands import folder, four


def test_the_scale_of_the_model_counts(tmp_path):
    dataset = open_dataset(folder(tmp_path, four("uint16", 3)))
    trained = Bands(use=(1, 2, 3), scale=((0, 20000),) * 3)
    read = dataset_as_trained(dataset, trained)
    assert read.test.bands == trained
    values = np.load(tmp_path / "images" / "d.npy").astype(float)
    expected = np.rint(values * 255 / 20000)
    np.testing.assert_array_equal(read.test[0].read()[0], expected)
    # The logits of a teacher belong to the grey levels that it saw.
    assert images_digest(read.test) != images_digest(dataset.test)
    assert part_as_trained(dataset.test, None) is dataset.test
    assert part_as_trained(dataset.test, dataset.test.bands) is dataset.test


def test_bands_of_the_model_are_chosen_from_more(tmp_path):
    dataset = open_dataset(folder(tmp_path, four("uint16", 5)))
    trained = Bands(use=(5, 2), scale=((0, 4000), (0, 8000)))
    part = part_as_trained(dataset.test, trained)
    assert part.num_bands == 2 and part[0].read()[0].shape == (12, 15, 2)


def test_generated_scenes_follow_with_near_infrared():
    dataset = open_dataset("synthetic", scenes=3, scene_px=64)
    four_bands = open_dataset("synthetic", scenes=3, scene_px=64, bands=4)
    read = dataset_as_trained(dataset, four_bands.train.bands)
    np.testing.assert_array_equal(read.test[0].read()[0], four_bands.test[0].read()[0])


def single_bands(root, endings=("_B04", "_B08")):
    """The bands of `four` as a file each, named by their endings."""
    images = four("uint16", len(endings))
    root = folder(root, images, f"bands: {{files: {list(endings)}}}")
    for name, values in images.items():
        (root / "images" / f"{name}.npy").unlink()
        for band, ending in enumerate(endings):
            picture = Image.fromarray(np.ascontiguousarray(values[..., band]))
            picture.save(root / "images" / f"{name}{ending}.tif")
    return root, images


def test_files_of_one_band_each_are_an_image(tmp_path):
    root, images = single_bands(tmp_path)
    dataset = open_dataset(root)
    assert [image.name for image in dataset.train] == ["a", "b"]
    bands = dataset.train.bands
    assert bands.use == (1, 2) and bands.files == ("_B04", "_B08")
    pixels, _ = dataset.test[0].read()
    for band, (low, high) in enumerate(bands.scale):
        share = (images["d"][..., band].astype(float) - low) * 255 / (high - low)
        expected = np.rint(np.clip(share, 0, 255))
        np.testing.assert_array_equal(pixels[..., band], expected)


def test_a_band_whose_file_lacks_is_named(tmp_path):
    root, _ = single_bands(tmp_path)
    (root / "images" / "b_B08.tif").unlink()
    with pytest.raises(DatasetError, match=r"images/b_B08.tif: no such file"):
        open_dataset(root)


def test_every_file_of_a_band_counts_for_what_an_image_is_known_by(tmp_path):
    root, _ = single_bands(tmp_path)
    part = open_dataset(root).train
    before = images_digest(part)
    file = root / "images" / "b_B08.tif"
    content = file.read_bytes()
    Image.new("I;16", (15, 12), 3).save(file)
    assert images_digest(part) != before
    file.write_bytes(content)
    assert images_digest(part) == before


def test_bands_of_other_sizes_are_refused(tmp_path):
    root, _ = single_bands(tmp_path)
    Image.new("I;16", (7, 6)).save(root / "images" / "b_B08.tif")
    with pytest.raises(DatasetError, match="b_B08.tif: is 7 x 6 pixels, but .*15 x 12"):
        open_dataset(root)


@pytest.mark.parametrize("several", [False, True])
def test_a_converted_data_set_is_equal(tmp_path, several):
    if several:
        root, _ = single_bands(tmp_path / "data")
    else:
        root = folder(tmp_path / "data", four("float32", 4), "bands: {use: [4, 1]}")
    before = convert_dataset(root, tmp_path / "out")
    after = open_dataset(tmp_path / "out")
    for part in ("train", "val", "test"):
        for old, new in zip(getattr(before, part), getattr(after, part), strict=True):
            for ours, theirs in zip(old.read(), new.read(), strict=True):
                np.testing.assert_array_equal(ours, theirs)


def test_unlabelled_images_are_read_alike(tmp_path):
    root = folder(tmp_path / "data", four("uint16", 3))
    more = folder(tmp_path / "more", four("uint16", 3))
    dataset = open_dataset(root, unlabelled=[more / "images"])
    assert dataset.unlabelled.num_bands == 3
    assert dataset.unlabelled.bands == dataset.train.bands
    pixels, labels = dataset.unlabelled[0].read()
    np.testing.assert_array_equal(pixels, dataset.train[0].read()[0])
    assert (labels == 254).all()
