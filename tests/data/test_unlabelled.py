import shutil

import numpy as np
import pytest
from PIL import Image

from segshrink.data import IGNORE_INDEX, UNLABELLED, open_dataset
from segshrink.data.band_levels import to_levels
from segshrink.data.unlabelled import open_unlabelled
from segshrink.errors import DatasetError, UsageError
from segshrink.progress import SilentProgress

from .pictures import THREE_CLASSES, cut_off, noise, save, scenes_folder
from .test_bands import folder as bands_folder
from .test_bands import four
from .test_rasters import as_array, as_geotiff


class Said(SilentProgress):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


def opened(*folders, progress=None, like=None):
    return open_unlabelled(
        folders, THREE_CLASSES, like=like, progress=progress or SilentProgress()
    )


@pytest.fixture
def folder(tmp_path):
    save(tmp_path / "more" / "b.png", noise(20, 30, seed=1))
    save(tmp_path / "more" / "a.png", noise(40, 10, seed=2))
    save(tmp_path / "more" / "deep" / "er" / "c.bmp", noise(8, 8, seed=3))
    (tmp_path / "more" / "notes.txt").write_text("no image")
    return tmp_path / "more"


def test_images_of_any_size_at_any_depth_are_opened_in_order(folder):
    part = opened(folder).part
    assert part.name == "unlabelled"
    assert [image.image_path.name for image in part] == ["a.png", "b.png", "c.bmp"]
    assert [(each.height_px, each.width_px) for each in part] == [
        (40, 10),
        (20, 30),
        (8, 8),
    ]
    assert [image.name for image in part] == ["more/a", "more/b", "more/deep/er/c"]


def test_names_are_unique(folder, tmp_path):
    save(folder / "a.bmp", noise(9, 9))
    save(tmp_path / "other" / "more" / "b.png", noise(9, 9))
    assert [each.name for each in opened(folder, tmp_path / "other" / "more").part] == [
        "more/a",
        str(folder / "a.png"),
        "more/b",
        "more/deep/er/c",
        str(tmp_path / "other" / "more" / "b.png"),
    ]


def test_pixels_are_those_of_the_file_and_labels_say_that_there_are_none(folder):
    image, labels = opened(folder).part[1].read()
    np.testing.assert_array_equal(image, noise(20, 30, seed=1))
    assert labels.dtype == np.uint8 and labels.shape == (20, 30)
    assert (labels == UNLABELLED).all()


def test_no_pixel_has_a_class(folder):
    assert opened(folder).part[0].count_classes(3).tolist() == [0, 0, 0]


def test_folders_inside_each_other_give_each_image_once(folder):
    assert len(opened(folder / "deep", folder).part) == 3
    with pytest.raises(DatasetError, match="that no other folder holds"):
        opened(folder, folder / "deep")


def test_masks_beside_images_are_left_out_and_told(tmp_path):
    scenes_folder(tmp_path / "data")
    (tmp_path / "data" / "a" / "masks" / "deep").mkdir()
    save(tmp_path / "data" / "a" / "masks" / "deep" / "x.png", noise(5, 5))
    found = opened(tmp_path / "data")
    assert len(found.part) == 6
    assert all(image.image_path.parent.name == "images" for image in found.part)
    assert "hold masks" in found.notices[0]


def test_a_folder_called_masks_without_images_beside_it_is_taken(tmp_path):
    save(tmp_path / "masks" / "carnival.png", noise(5, 5))
    assert len(opened(tmp_path / "masks").part) == 1


def test_a_broken_header_is_told_and_left_out(folder):
    for name in "pqrst":
        (folder / f"{name}.jpg").write_bytes(b"no image at all")
    found = opened(folder)
    assert len(found.part) == 3 and len(found.broken) == 5
    assert "damaged from its beginning" in found.broken[0]
    assert "5 unlabelled images cannot be read and are left out" in found.notices[0]
    assert "r.jpg and 2 more. The first fault:" in found.notices[0]


def test_a_broken_body_is_told_once_and_counts_nothing(folder):
    cut_off(folder / "b.png")
    progress = Said()
    broken = opened(folder, progress=progress).part[1]
    for _ in range(3):
        image, labels = broken.read()
        assert image.shape == (20, 30, 3) and not image.any()
        assert (labels == IGNORE_INDEX).all()
    assert len(progress.lines) == 1
    assert "b.png" in progress.lines[0] and "counts nothing" in progress.lines[0]


def test_an_image_of_another_size_than_before_counts_nothing(folder):
    progress = Said()
    part = opened(folder, progress=progress).part
    save(folder / "b.png", noise(30, 20))
    assert (part[1].read()[1] == IGNORE_INDEX).all()
    assert "its size changed" in progress.lines[0]


def test_without_a_usable_image_the_folder_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="no such folder"):
        opened(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no image"):
        opened(tmp_path / "empty")
    (tmp_path / "empty" / "x.png").write_bytes(b"")
    with pytest.raises(DatasetError, match="none of the 1 images can be used"):
        opened(tmp_path / "empty")
    with pytest.raises(DatasetError, match=r"x\.png: a file\. Name a folder"):
        opened(tmp_path / "empty" / "x.png")


def test_conversions_are_told(folder):
    Image.fromarray(noise(9, 9)[..., 0]).save(folder / "grey.png")
    assert opened(folder).notices == (
        "1 unlabelled image is greyscale, turned to RGB.",
    )


def test_headers_alone_are_read(folder, monkeypatch):
    def refuse(self):
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", refuse)
    assert len(opened(folder).part) == 3


def test_a_data_set_has_unlabelled_images_where_folders_are_given(tmp_path, folder):
    root = scenes_folder(tmp_path / "data")
    assert open_dataset(root).unlabelled is None
    dataset = open_dataset(root, unlabelled=[folder])
    assert len(dataset.unlabelled) == 3
    assert dataset.unlabelled.classes == dataset.classes


def test_generated_scenes_are_none_of_the_data_set():
    dataset = open_dataset(
        "synthetic", scenes=3, scene_px=64, seed=5, unlabelled=["synthetic:2"]
    )
    first, second = (each.read() for each in dataset.unlabelled)
    assert first[0].shape == (64, 64, 3)
    assert (first[1] == UNLABELLED).all()
    seen = [
        each.read()[0]
        for part in ("train", "val", "test")
        for each in getattr(dataset, part)
    ]
    for image in (*seen, second[0]):
        assert (image != first[0]).mean() > 0.5


def test_generated_scenes_need_a_number_and_a_generated_data_set(tmp_path, folder):
    with pytest.raises(UsageError, match="say how many, such as synthetic:300"):
        open_dataset("synthetic", unlabelled=["synthetic"])
    for wrong in ("synthetic:", "synthetic:0x1", "synthetic:0", "synthetic:-1"):
        with pytest.raises(UsageError, match="needs a number of scenes"):
            open_dataset("synthetic", unlabelled=[wrong])
    with pytest.raises(UsageError, match="go with the data set 'synthetic'"):
        open_dataset(scenes_folder(tmp_path / "data"), unlabelled=["synthetic:3"])
    shutil.move(folder, tmp_path / "synthetic:3")
    assert len(opened(str(tmp_path / "synthetic:3")).part) == 3


def test_a_scene_is_cut_into_windows_that_cover_it(tmp_path, monkeypatch):
    write_scene = pytest.importorskip("prediction.geotiffs").write_scene
    monkeypatch.setattr("segshrink.data.unlabelled._WINDOW_PX", 40)
    pixels = noise(50, 100)
    pixels[:10, :10] = 0
    write_scene(tmp_path / "more" / "scene.tif", pixels, nodata=0)
    save(tmp_path / "more" / "plain.tif", noise(30, 30))
    part = opened(tmp_path / "more").part
    assert [(each.height_px, each.width_px) for each in part] == [
        (30, 30), *[(25, 33), (25, 34), (25, 33)] * 2
    ]  # fmt: skip
    assert len({each.name for each in part}) == 7
    seen = np.zeros((50, 100), int)
    for window in list(part)[1:]:
        here = (
            slice(window.top, window.top + window.height_px),
            slice(window.left, window.left + window.width_px),
        )
        image, labels = window.read()
        np.testing.assert_array_equal(image, pixels[here])
        empty = (pixels[here] == 0).all(axis=-1)
        np.testing.assert_array_equal(labels == IGNORE_INDEX, empty)
        assert (labels[~empty] == UNLABELLED).all()
        seen[here] += 1
    assert (seen == 1).all()


def test_a_scene_with_other_bands_is_left_out_with_the_command_that_helps(folder):
    write_scene = pytest.importorskip("prediction.geotiffs").write_scene
    write_scene(folder / "deep.tif", np.zeros((9, 9, 3), np.uint16))
    found = opened(folder)
    assert len(found.part) == 3
    assert "gdal_translate" in found.broken[0]
    assert "1 unlabelled image cannot be read and is left out" in found.notices[0]


def test_a_damaged_scene_counts_nothing(tmp_path):
    write_scene = pytest.importorskip("prediction.geotiffs").write_scene
    cut_off(write_scene(tmp_path / "a.tif", noise(200, 200), compress="deflate"))
    progress = Said()
    (image,) = opened(tmp_path, progress=progress).part
    assert (image.read()[1] == IGNORE_INDEX).all()
    assert len(progress.lines) == 1 and "a.tif: cannot be read" in progress.lines[0]


@pytest.mark.parametrize("write", [as_array, as_geotiff])
def test_files_of_one_band_each_are_one_image(tmp_path, write):
    endings = ["_B04", "_B03", "_B08"]

    def split(folder, values):
        for place, ending in enumerate(endings):
            write(
                folder.with_name(folder.name + ending), values[..., place : place + 1]
            )

    images = four("uint16", 3)
    root = bands_folder(
        tmp_path / "data", images, f"bands: {{files: {endings}}}", write=split
    )
    (tmp_path / "more").mkdir()
    more = four("uint16", 3, high=3000)["a"]
    split(tmp_path / "more" / "x", more)
    unlabelled = open_dataset(root, unlabelled=[tmp_path / "more"]).unlabelled
    assert [image.name for image in unlabelled] == ["more/x"]
    pixels, _ = unlabelled[0].read()
    scale = open_dataset(root).train.bands.scale
    np.testing.assert_array_equal(pixels, to_levels(more, scale))
