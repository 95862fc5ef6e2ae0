"""Results of scenes are complete, or do not exist."""

import errno
import re
from pathlib import Path

import numpy as np
import pytest

from segshrink.errors import RunFolderError
from segshrink.prediction import Photo, segment_file

from .pictures import BrightnessArtifact, noise

rasterio = pytest.importorskip("rasterio")

from segshrink.data.geotiff import opened_scene  # noqa: E402
from segshrink.prediction import scene_writing  # noqa: E402

from .geotiffs import read_classes, write_scene  # noqa: E402


@pytest.fixture
def photo(tmp_path):
    path = write_scene(tmp_path / "a.tif", noise(600, 700))
    return Photo(path, Path("a"), is_scene=True)


def needed_bytes(photo, out):
    segment_file(BrightnessArtifact(), photo, out)
    return sum(path.stat().st_size for path in out.iterdir())


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9])
def test_a_full_disk_is_reported_and_leaves_no_partial_file(
    photo, small_disk, tmp_path, share
):
    size = max(8192, int(share * needed_bytes(photo, tmp_path / "out")))
    disk = small_disk(size)
    with pytest.raises(OSError) as caught:
        segment_file(BrightnessArtifact(), photo, disk)
    assert caught.value.errno == errno.ENOSPC
    assert str(disk) in caught.value.filename
    assert not photo.mask(disk).exists()
    assert [path.name for path in disk.iterdir() if "partial" in path.name] == []


def test_a_disk_that_another_process_fills_is_noticed(
    photo, small_disk, tmp_path, monkeypatch
):
    # As with quotas, of which the operating system tells no free space; GDAL closes
    # a file that it could not write without a word.
    size = int(0.15 * needed_bytes(photo, tmp_path / "out"))
    monkeypatch.setattr(scene_writing, "require_space", lambda *_: None)
    monkeypatch.setattr("PIL.Image.Image.save", lambda self, path, **_: path.touch())
    disk = small_disk(size)
    with pytest.raises(RunFolderError, match=r"a.tif: cannot be written \("):
        segment_file(BrightnessArtifact(), photo, disk)
    assert [path.name for path in disk.iterdir()] == ["a-overlay.png"]


def test_a_result_with_other_pixels_than_were_written_is_refused(photo, tmp_path):
    draft = tmp_path / "draft.tif"
    labels = np.zeros((600, 700), np.uint8)
    with opened_scene(photo.path) as source:
        with scene_writing.opened_draft(draft, source) as target:
            scene_writing.write_window(target, 0, 0, labels)
            scene_writing.describe(
                target, BrightnessArtifact(), np.array([1, 0, 0]), ""
            )
    scene_writing.finish(draft, tmp_path / "b.tif", np.array([420_000, 0, 0]))
    np.testing.assert_array_equal(read_classes(tmp_path / "b.tif"), labels)
    message = re.escape("c.tif: cannot be written (it holds other pixels than")
    with pytest.raises(RunFolderError, match=message):
        scene_writing.finish(draft, tmp_path / "c.tif", np.array([419_999, 1, 0]))


def test_a_folder_that_cannot_be_created_is_named(photo, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError) as caught:
        segment_file(BrightnessArtifact(), photo, tmp_path / "file" / "out")
    assert str(tmp_path / "file") in caught.value.filename
