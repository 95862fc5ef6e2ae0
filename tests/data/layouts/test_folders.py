import os
import sys
import unicodedata

import pytest

from segshrink.data.layouts import LAYOUTS, find_layout
from segshrink.errors import DatasetError

from ..pictures import add_pair, camvid_folder, noise, save, scenes_folder


def test_scenes_are_found_at_any_depth(tmp_path):
    add_pair(tmp_path / "Tile 1", "x")
    add_pair(tmp_path / "deep" / "er" / "Tile 2", "x")
    layout = find_layout(tmp_path)
    assert layout.name == "folders"
    assert layout.scenes == ("Tile 1", "deep/er/Tile 2")
    assert [pair.name for pair in layout.pairs] == ["Tile 1/x", "deep/er/Tile 2/x"]
    assert layout.pairs[0].image.where == "Tile 1/images/x.jpg"
    assert layout.pairs[0].mask.path == tmp_path / "Tile 1" / "masks" / "x.png"
    assert layout.faults == ()


def test_flat_images_are_scenes_of_their_own(tmp_path):
    add_pair(tmp_path, "b", suffix=".webp")
    add_pair(tmp_path, "a", suffix=".TIF")
    layout = find_layout(tmp_path)
    assert layout.name == "folders"
    assert [(pair.scene, pair.name) for pair in layout.pairs] == [
        ("a", "a"),
        ("b", "b"),
    ]


def test_camvid_folders_are_parts(tmp_path):
    layout = find_layout(camvid_folder(tmp_path))
    assert layout.name == "camvid"
    assert layout.scenes == ("test", "train", "val")
    assert len({pair.name for pair in layout.pairs}) == len(layout.pairs) == 6


def test_what_is_no_image_is_passed_over(tmp_path):
    scenes_folder(tmp_path)
    (tmp_path / "a" / "images" / ".DS_Store").write_text("")
    (tmp_path / "a" / "images" / "._one.jpg").write_text("")
    (tmp_path / "a" / "images" / "notes.txt").write_text("")
    (tmp_path / "docs" / "images").mkdir(parents=True)
    save(tmp_path / "__MACOSX" / "a" / "images" / "one.jpg", noise(4, 4))
    layout = find_layout(tmp_path)
    assert layout.faults == ()
    assert len(layout.pairs) == 6


def test_names_are_paired_in_either_unicode_form(tmp_path):
    """macOS decomposes letters; an archive may hold one of the two forms so."""
    for form, folder in (("NFC", "images"), ("NFD", "masks")):
        name = unicodedata.normalize(form, "Köln é (1) [x].PNG")
        save(tmp_path / folder / name, noise(4, 4))
    layout = find_layout(tmp_path)
    assert layout.faults == ()
    assert [pair.name for pair in layout.pairs] == ["Köln é (1) [x]"]
    save(
        tmp_path / "images" / unicodedata.normalize("NFD", "Köln é (1) [x].jpg"),
        noise(4, 4),
    )
    assert "has the same name" in find_layout(tmp_path).faults[0]


@pytest.mark.parametrize("junk", ["Thumbs.db", "desktop.ini", "._one.png", ".DS_Store"])
def test_files_that_systems_leave_are_passed_over(tmp_path, junk):
    root = scenes_folder(tmp_path)
    for folder in ("images", "masks"):
        (root / "a" / folder / junk).write_bytes(b"\0junk")
    assert find_layout(root).faults == ()


def test_linked_scenes_are_found_and_circles_end(tmp_path):
    add_pair(tmp_path / "store" / "Tile 1", "x")
    root = tmp_path / "data"
    root.mkdir()
    (root / "Tile 1").symlink_to(tmp_path / "store" / "Tile 1")
    (root / "circle").symlink_to(root)
    assert find_layout(root).scenes == ("Tile 1",)


def test_a_missing_folder(tmp_path):
    with pytest.raises(DatasetError, match=r"gone: no such folder\. Name the folder"):
        find_layout(tmp_path / "gone")


def test_a_file_is_no_folder(tmp_path):
    path = tmp_path / "x"
    path.write_text("")
    with pytest.raises(DatasetError, match="x: a file, but a data set is a folder"):
        find_layout(path)


def test_every_layout_is_named_for_an_empty_folder(tmp_path):
    with pytest.raises(DatasetError, match="the folder is empty") as caught:
        find_layout(tmp_path)
    assert all(name in str(caught.value) for name in LAYOUTS)


def test_an_unknown_folder_is_told_what_the_nearest_layout_lacks(tmp_path):
    save(tmp_path / "JPEGImages" / "x.png", noise(4, 4))
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(DatasetError) as caught:
        find_layout(tmp_path, "voc")
    assert (
        "It holds JPEGImages/, notes.txt; 1 images at any depth. The nearest layout is "
        "voc. It lacks SegmentationClass. It looks so:\nDATA/"
    ) in str(caught.value)


def faults_of(root):
    return list(find_layout(root).faults)


def test_an_image_without_mask(tmp_path):
    scenes_folder(tmp_path)
    (tmp_path / "a" / "masks" / "one.png").unlink()
    assert faults_of(tmp_path) == [
        "a/images/one.jpg: has no mask. Add a/masks/one.png or remove the image."
    ]


def test_a_mask_without_image(tmp_path):
    scenes_folder(tmp_path)
    (tmp_path / "a" / "images" / "one.jpg").unlink()
    assert faults_of(tmp_path) == [
        "a/masks/one.png: a mask without its image. Add the image one, or remove the "
        "mask."
    ]


def test_a_folder_of_images_without_masks(tmp_path):
    scenes_folder(tmp_path)
    save(tmp_path / "d" / "images" / "one.png", noise(4, 4))
    assert faults_of(tmp_path) == [
        "d/images: has no masks folder beside it. Add d/masks, or rename images to "
        "leave it out."
    ]


def test_a_scene_without_images(tmp_path):
    scenes_folder(tmp_path)
    (tmp_path / "d" / "images").mkdir(parents=True)
    (tmp_path / "d" / "masks").mkdir()
    assert faults_of(tmp_path) == [
        "d/images: no image in it. Add images and their masks, or remove the folder."
    ]


def test_two_images_of_one_name(tmp_path):
    scenes_folder(tmp_path)
    save(tmp_path / "a" / "images" / "one.png", noise(4, 4))
    (fault,) = faults_of(tmp_path)
    assert fault.startswith("a/images/one.png: one.jpg has the same name")


def test_scenes_beside_flat_images(tmp_path):
    add_pair(tmp_path, "x")
    add_pair(tmp_path / "Tile 1", "x")
    layout = find_layout(tmp_path)
    assert [pair.name for pair in layout.pairs] == ["Tile 1/x", "x"]
    assert layout.scenes == ("Tile 1", "x")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_not_utf8(tmp_path):
    scenes_folder(tmp_path / "data")
    odd = os.fsdecode(b"caf\xe9 \xc3\xa4")
    add_pair(tmp_path / "data" / "a", odd)
    add_pair(tmp_path / "data" / odd, "x")
    assert faults_of(tmp_path / "data") == [
        r"a/images/caf\xe9 ä.jpg: this name is not valid UTF-8. Rename it.",
        r"a/masks/caf\xe9 ä.png: this name is not valid UTF-8. Rename it.",
        r"caf\xe9 ä: this name is not valid UTF-8. Rename it.",
    ]
    (tmp_path / "data").rename(tmp_path / odd)
    with pytest.raises(DatasetError, match=r"/caf\\xe9 ä: this name is not valid"):
        find_layout(tmp_path / odd)


def test_camvid_without_its_validation(tmp_path):
    camvid_folder(tmp_path)
    for path in (tmp_path / "valannot").iterdir():
        path.unlink()
    (tmp_path / "valannot").rmdir()
    (fault,) = faults_of(tmp_path)
    assert fault.startswith("valannot: missing")
