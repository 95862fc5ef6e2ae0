"""Order of folders and files in the search."""

import pytest

from segshrink.data.walking import folders_below, image_files


@pytest.fixture
def tree(tmp_path):
    for name in ("b/images/deep", "a/z", ".hidden/x", "__MACOSX/a"):
        (tmp_path / "root" / name).mkdir(parents=True)
    return tmp_path / "root"


def names(root, **options):
    found = folders_below(root, **options)
    return [folder.relative_to(root).as_posix() for folder in found]


def test_folders_come_in_order_of_their_names(tree):
    assert names(tree) == [".", "a", "a/z", "b", "b/images", "b/images/deep"]
    assert names(tree, closed=("images", "z")) == [".", "a", "b"]


def test_each_folder_comes_once_whatever_links_lead_to_it(tree, tmp_path):
    (tmp_path / "elsewhere" / "below").mkdir(parents=True)
    for name in ("c", "d"):
        (tree / name).symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "below" / "up").symlink_to(tree)
    assert names(tree)[6:] == ["c", "c/below"]


def test_image_files_are_told_by_their_ending(tmp_path):
    for name in ("b.TIF", "a.jpg", ".a.jpg", "a.txt", "jpg"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in image_files(tmp_path)] == ["a.jpg", "b.TIF"]


def test_a_link_that_leads_to_itself_is_passed_by(tree):
    before = names(tree)
    (tree / "loop").symlink_to(tree / "loop")
    (tree / "loop.png").symlink_to(tree / "loop.png")
    assert names(tree) == before
    assert image_files(tree) == []
