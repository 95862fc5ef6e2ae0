"""Finding images, and telling scenes from photographs."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from segshrink.errors import SegshrinkWarning, UsageError
from segshrink.prediction import Photo, find_photos
from segshrink.prediction.photos import refuse_overwriting
from segshrink.records import atomic_write

from .pictures import stripes


def test_images_are_found_at_any_depth_but_not_results(tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "photos" / "results"
    for name in ("b.png", "deep/er/a.b.PNG", "results/b.png"):
        stripes(photos / name)
    (photos / "notes.txt").write_text("no image")
    alone = stripes(tmp_path / "alone.png")
    assert find_photos([photos, alone], out) == [
        Photo(photos / "b.png", Path("b")),
        Photo(photos / "deep" / "er" / "a.b.PNG", Path("deep/er/a.b")),
        Photo(alone, Path("alone")),
    ]


def test_linked_folders_are_followed_and_circles_end(tmp_path):
    stripes(tmp_path / "store" / "b.png")
    photos = tmp_path / "photos"
    stripes(photos / "a.png")
    (photos / "linked").symlink_to(tmp_path / "store")
    (photos / "circle").symlink_to(photos)
    found = find_photos([photos], tmp_path / "out")
    assert [photo.name for photo in found] == [Path("a"), Path("linked/b")]


def test_hidden_files_are_left_out(tmp_path):
    for name in ("a.png", "._a.png", ".trash/b.png", "__MACOSX/a.png"):
        stripes(tmp_path / name)
    found = find_photos([tmp_path], tmp_path / "out")
    assert [photo.name for photo in found] == [Path("a")]


def test_folders_without_images_and_out_itself_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty: holds no image \(.jpg"):
        find_photos([tmp_path / "empty"], tmp_path / "out")
    with pytest.raises(UsageError, match="would be taken for images next time"):
        find_photos([tmp_path / "empty"], tmp_path / "empty")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_not_utf8_are_refused(tmp_path):
    folder = tmp_path / os.fsdecode(b"\xe9t\xe9")
    stripes(folder / "ä.png")
    with pytest.raises(UsageError) as caught:
        find_photos([folder], tmp_path / "out")
    assert str(caught.value) == (
        rf"{tmp_path}/\xe9t\xe9/ä.png: this name is not valid UTF-8. Rename it."
    )
    stripes(tmp_path / "photos" / "ä.png")
    for number in range(2):
        name = os.fsdecode(b"caf\xe9 %d.png" % number)
        stripes(tmp_path / "photos" / name)
    with pytest.raises(UsageError) as caught:
        find_photos([tmp_path / "photos"], tmp_path / "out")
    message = (
        r"caf\xe9 0.png: this name is not valid UTF-8. Rename it, and 1 more like it."
    )
    assert str(caught.value).endswith(message)


@pytest.mark.parametrize("tag", [33550, 33922, 34264, 34735, 42113])
def test_a_tiff_with_a_place_or_nodata_is_a_scene(tmp_path, tag):
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[tag] = "255" if tag == 42113 else tuple(range(1, 17))
    info.tagtype[tag] = 2 if tag == 42113 else 3 if tag == 34735 else 12
    path = tmp_path / "a.TIF"
    Image.new("RGB", (5, 4)).save(path, format="TIFF", tiffinfo=info)
    assert find_photos([path], tmp_path / "out") == [Photo(path, Path("a"), True)]
    photo = find_photos([tmp_path], tmp_path / "out")[0]
    assert photo.mask(Path("o")) == Path("o/a.tif")
    assert photo.overlay(Path("o")) == Path("o/a-overlay.png")
    assert photo.polygons(Path("o"), "gpkg") == Path("o/a.gpkg")


def test_other_tiffs_are_photographs(tmp_path):
    stripes(tmp_path / "plain.tif")
    (tmp_path / "torn.tif").write_bytes(b"II*\0\x08\0")
    (tmp_path / "empty.tif").write_bytes(b"")
    (tmp_path / "text.tiff").write_text("not a picture, whatever its name")
    found = find_photos([tmp_path], tmp_path / "out")
    assert len(found) == 4
    assert not any(photo.is_scene for photo in found)


def test_a_scene_in_a_big_tiff_of_floats_is_one(tmp_path):
    pytest.importorskip("rasterio")
    from .geotiffs import write_scene

    pixels = np.zeros((4, 5, 5), np.float32)
    path = write_scene(tmp_path / "a.tif", pixels, bigtiff="YES")
    assert path.read_bytes()[2] == 43
    assert find_photos([path], tmp_path / "out")[0].is_scene


def test_results_that_would_overwrite_each_other_are_refused(tmp_path):
    photos = [Photo(Path("a.png"), Path("a")), Photo(Path("a.tif"), Path("a"), True)]
    with pytest.raises(UsageError, match="The results a-overlay.png of several"):
        refuse_overwriting(photos, tmp_path)
    scene = Photo(tmp_path / "b.tif", Path("b"), True)
    with pytest.raises(UsageError, match="would overwrite the images b.tif"):
        refuse_overwriting([scene], tmp_path)


def test_names_that_leave_no_room_are_shortened_and_told(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    long = ["a" * 250, "a" * 249 + "b", "ö" * 125, "b" * 220]
    for name in long:
        (folder / f"{name}.png").touch()
    out = tmp_path / "out"
    with pytest.warns(SegshrinkWarning, match="3 names of more than 220 bytes"):
        photos = find_photos([folder], out)
    names = {photo.name.name for photo in photos}
    assert len(names) == 4 and "b" * 220 in names
    out.mkdir()
    for photo in photos:
        for path in (photo.mask(out), photo.overlay(out), photo.polygons(out, "gpkg")):
            with atomic_write(path) as partial:
                partial.touch()


def test_masks_of_a_data_set_are_no_images(tmp_path):
    for scene in ("a", "b"):
        for kind, dark in (("images", 40), ("masks", 0)):
            for name in ("one.png", "two.png"):
                stripes(tmp_path / "set" / scene / kind / name, dark=dark)
    stripes(tmp_path / "set" / "a" / "images" / "more.png", dark=9)
    root, out = tmp_path / "set", tmp_path / "out"
    with pytest.warns(SegshrinkWarning, match="its 4 masks are left out"):
        found = find_photos([root], out)
    places = [photo.path.relative_to(root).as_posix() for photo in found]
    names = ("a/images/more", "a/images/one", "a/images/two", "b/images/one")
    assert places == [f"{name}.png" for name in (*names, "b/images/two")]


def test_a_pattern_chooses_the_files_of_folders(tmp_path):
    for name in ("images/a.png", "masks/a.png", "images/b.png"):
        stripes(tmp_path / "set" / name)
    root, out = tmp_path / "set", tmp_path / "out"
    for pattern, places in {
        "*.png": ["images/a.png", "images/b.png", "masks/a.png"],
        "masks/*": ["masks/a.png"],
        "b.*": ["images/b.png"],
    }.items():
        found = find_photos([root], out, pattern=pattern)
        assert [x.path.relative_to(root).as_posix() for x in found] == places
    with pytest.raises(UsageError, match="none of its 3 images matches"):
        find_photos([root], out, pattern="*.jpg")
    with pytest.raises(UsageError, match="among the files of folders"):
        find_photos([root / "images" / "a.png"], out, pattern="*.png")
