"""Segmenting many images, and resuming a call."""

import csv
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from segshrink.errors import MissingExtraError, RunFolderError, UsageError
from segshrink.formats import InputRange
from segshrink.prediction import find_photos, segment_files
from segshrink.progress import SilentProgress

from .pictures import BrightnessArtifact, blotches, noise, stripes


def areas(out):
    with (out / "areas.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_areas_are_written_for_each_image(artifact, tmp_path):
    photos, out = tmp_path / "ph,otos", tmp_path / "out"
    stripes(photos / "ä.png", dark=3)
    stripes(photos / "b.png", dark=30)
    outcome = segment_files(artifact, find_photos([photos], out), out)
    assert (outcome.done, outcome.kept, outcome.faults) == (2, 0, ())
    rows = areas(out)
    assert [row["class"] for row in rows] == ["class 0", "class 1", "class 2"] * 2
    of_first = [row for row in rows if row["image"].endswith("ä.png")]
    assert [int(row["pixels"]) for row in of_first] == [60, 540, 0]
    assert [float(row["share"]) for row in of_first] == [0.1, 0.9, 0.0]


def test_a_second_call_keeps_existing_results(artifact, tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    for name in ("a.png", "b.png", "c.png"):
        stripes(photos / name)
    found = find_photos([photos], out)
    segment_files(artifact, found, out)
    before, table = artifact.calls, areas(out)
    (out / "b.png").write_bytes(b"cut short")
    (out / "c-overlay.png").unlink()
    outcome = segment_files(artifact, found, out)
    assert (outcome.done, outcome.kept) == (2, 1)
    assert artifact.calls == before * 5 // 3
    assert areas(out) == table


@pytest.mark.parametrize("seconds", [-1000, 1000])
def test_an_image_that_was_changed_is_segmented_again(artifact, tmp_path, seconds):
    path, out = stripes(tmp_path / "a.png"), tmp_path / "out"
    found = find_photos([path], out)
    segment_files(artifact, found, out)
    stripes(path, dark=15)
    # An image that is older than the results has changed too.
    time = (out / "a.png").stat().st_mtime_ns + seconds * 10**9
    os.utime(path, ns=(time, time))
    assert segment_files(artifact, found, out).done == 1
    assert areas(out)[0]["pixels"] == "300"
    assert segment_files(artifact, found, out).kept == 1


def test_results_of_an_image_are_not_those_of_another_of_its_name(artifact, tmp_path):
    out = tmp_path / "out"
    first = find_photos([stripes(tmp_path / "a" / "photo.png")], out)
    second = find_photos([stripes(tmp_path / "b" / "photo.png", dark=15)], out)
    for photos in (second, first):
        segment_files(artifact, photos, tmp_path / "out")
    assert segment_files(artifact, second, out).done == 1
    assert areas(out)[0]["pixels"] == "300"


def test_a_mask_that_does_not_name_its_image_is_rebuilt(artifact, tmp_path):
    photos, out = find_photos([stripes(tmp_path / "a.png")], tmp_path), tmp_path / "o"
    segment_files(artifact, photos, out)
    with Image.open(out / "a.png") as mask:
        mask.load()
    assert str(tmp_path) not in str(mask.info)
    mask.info.clear()
    mask.save(out / "a.png")
    assert segment_files(artifact, photos, out).done == 1


def test_a_mask_is_not_left_beside_the_overlay_of_another_image(
    artifact, tmp_path, monkeypatch
):
    out, write = tmp_path / "out", Image.Image.save
    first = find_photos([stripes(tmp_path / "a" / "photo.png")], out)
    second = find_photos([stripes(tmp_path / "b" / "photo.png", dark=15)], out)
    segment_files(artifact, first, out)

    def killed_before_the_mask(picture, path, **options):
        if picture.mode == "P":
            raise KeyboardInterrupt
        write(picture, path, **options)

    monkeypatch.setattr(Image.Image, "save", killed_before_the_mask)
    with pytest.raises(KeyboardInterrupt):
        segment_files(artifact, second, out)
    monkeypatch.undo()
    assert segment_files(artifact, first, out).done == 1


def test_results_of_another_model_are_not_mixed_in(artifact, tmp_path):
    photo, out = stripes(tmp_path / "a.png"), tmp_path / "out"
    photos = find_photos([photo], out)
    segment_files(artifact, photos, out)
    artifact.path.write_text("two")
    with pytest.raises(RunFolderError, match=r"another model \(brightness.tflite\)"):
        segment_files(artifact, photos, out)


@pytest.mark.parametrize(
    "said",
    [
        {"input_range": InputRange.UNIT},
        {"head": "b"},
        {"architecture_sha256": "0" * 64},
    ],
)
def test_results_of_the_model_opened_otherwise_are_not_mixed_in(
    artifact, tmp_path, said
):
    photo, out = stripes(tmp_path / "a.png"), tmp_path / "out"
    photos = find_photos([photo], out)
    plain = artifact.signature
    segment_files(artifact, photos, out)
    artifact.signature = replace(plain, **said)
    with pytest.raises(RunFolderError, match="this model with no such options"):
        segment_files(artifact, photos, out)
    segment_files(artifact, photos, tmp_path / "other")
    assert segment_files(artifact, photos, tmp_path / "other").kept == 1
    artifact.signature = plain
    option = next(iter(said)).removesuffix("_sha256")
    with pytest.raises(RunFolderError, match=f"this model with {option}: "):
        segment_files(artifact, photos, tmp_path / "other")


def test_an_openvino_model_of_other_weights_is_another_model(tmp_path):
    graph, weights = tmp_path / "m.xml", tmp_path / "m.bin"
    graph.write_text("<net/>")
    weights.write_bytes(b"one")
    artifact, out = BrightnessArtifact(graph), tmp_path / "out"
    photos = find_photos([stripes(tmp_path / "a.png")], out)
    segment_files(artifact, photos, out)
    assert segment_files(artifact, photos, out).kept == 1
    weights.write_bytes(b"two")
    with pytest.raises(RunFolderError, match=r"another model \(m.xml\)"):
        segment_files(artifact, photos, out)


def test_a_damaged_image_does_not_stop_the_rest(artifact, tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    stripes(photos / "a.png")
    (photos / "b.png").write_bytes(b"\x89PNG\r\n\x1a\ntorn")
    stripes(photos / "c.png")
    outcome = segment_files(artifact, find_photos([photos], out), out)
    assert outcome.done == 2
    assert len(outcome.faults) == 1 and "b.png" in outcome.faults[0]
    assert {Path(row["image"]).name for row in areas(out)} == {"a.png", "c.png"}


class RecordedProgress(SilentProgress):
    def __init__(self):
        self.bars, self.done, self.names = [], 0, []

    def start(self, label, total):
        self.bars.append((label, total))

    def advance(self, steps=1, **facts):
        self.done += steps
        self.names.append(facts["image"])


def test_without_scenes_progress_goes_by_images(artifact, tmp_path):
    for name in ("a.png", "b.png"):
        stripes(tmp_path / "photos" / name)
    progress, out = RecordedProgress(), tmp_path / "out"
    photos = find_photos([tmp_path / "photos"], out)
    segment_files(artifact, photos, out, progress=progress)
    assert progress.bars == [("predict", 2)]
    assert progress.done == 2
    with pytest.raises(UsageError, match="polygons have no effect, since none of"):
        segment_files(artifact, photos, out, polygons="gpkg")


@pytest.fixture
def scenes(tmp_path):
    """Two scenes, one of them truncated, and a photograph."""
    pytest.importorskip("pyogrio")
    pytest.importorskip("rasterio")
    from .geotiffs import write_scene

    folder = tmp_path / "scenes"
    write_scene(folder / "a.tif", blotches(60, 70))
    torn = write_scene(folder / "b.tif", noise(60, 70), compress="deflate")
    torn.write_bytes(torn.read_bytes()[:5_000])
    stripes(folder / "c.png")
    return folder


def test_scenes_and_photographs_are_segmented_together(artifact, scenes, tmp_path):
    progress, out = RecordedProgress(), tmp_path / "out"
    photos = find_photos([scenes], out)
    outcome = segment_files(artifact, photos, out, progress=progress)
    assert (outcome.done, outcome.kept) == (2, 0)
    [fault] = outcome.faults
    assert fault.startswith(f"{scenes / 'b.tif'}: cannot be read (")
    # 30 tiles of each scene, and a photograph; a fault ends the bar all the same.
    assert progress.bars == [("predict tiles", 61)]
    assert progress.done == 61
    assert progress.names.count("a.tif") >= 30
    assert {path.name for path in out.iterdir()} == {
        "a.tif", "a-overlay.png", "c.png", "c-overlay.png", "areas.csv",
        "predicted.json",
    }  # fmt: skip
    rows = areas(out)
    sizes = [float(row["area_m2"]) for row in rows if row["image"].endswith("a.tif")]
    assert sum(sizes) == 60 * 70 * 0.25
    assert [row["area_m2"] for row in rows if row["image"].endswith("c.png")] == [
        ""
    ] * 3


def test_polygons_are_added_without_predicting_again(artifact, scenes, tmp_path):
    out = tmp_path / "out"
    photos = find_photos([scenes / "a.tif", scenes / "c.png"], out)
    segment_files(artifact, photos, out)
    before, table, calls = times_of(out), areas(out), artifact.calls
    outcome = segment_files(artifact, photos, out, polygons="gpkg")
    assert (outcome.done, outcome.kept, outcome.faults) == (0, 2, ())
    assert artifact.calls == calls
    assert areas(out) == table
    added = times_of(out)
    assert added.keys() - before.keys() == {"a.gpkg"}
    for name in ("a.tif", "a-overlay.png", "c.png"):
        assert added[name] == before[name]
    segment_files(artifact, photos, out, polygons="gpkg")
    assert times_of(out)["a.gpkg"] == added["a.gpkg"]
    # A scene that was changed is segmented and outlined again, however old it is.
    earlier = (scenes / "a.tif").stat().st_mtime_ns - 10**12
    os.utime(scenes / "a.tif", ns=(earlier, earlier))
    assert segment_files(artifact, photos, out, polygons="gpkg").done == 1
    assert times_of(out)["a.gpkg"] > added["a.gpkg"]


def times_of(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_scene_without_a_crs_keeps_its_classes(artifact, scenes, tmp_path):
    from .geotiffs import write_scene

    write_scene(scenes / "a.tif", blotches(60, 70), crs=None)
    out = tmp_path / "out"
    photos = find_photos([scenes / "a.tif", scenes / "c.png"], out)
    outcome = segment_files(artifact, photos, out, polygons="geojson")
    assert outcome.done == 2
    assert [("coordinate reference system" in x) for x in outcome.faults] == [True]
    assert (out / "a.tif").is_file() and not (out / "a.geojson").exists()
    assert {Path(row["image"]).name for row in areas(out)} == {"a.tif", "c.png"}
    again = segment_files(artifact, photos, out, polygons="gpkg")
    assert (again.done, again.kept, again.faults) == (0, 2, ())


def test_other_kinds_of_polygons_are_refused(artifact, scenes, tmp_path):
    photos = find_photos([scenes], tmp_path / "out")
    with pytest.raises(UsageError, match="one of geojson, gpkg, got 'shp'"):
        segment_files(artifact, photos, tmp_path / "out", polygons="shp")
    assert not (tmp_path / "out").exists()


def test_finished_results_stay_when_the_disk_is_full(artifact, small_disk, tmp_path):
    Image.fromarray(noise(20, 30)).save(tmp_path / "a.png")
    Image.fromarray(noise(400, 400)).save(tmp_path / "b.png")
    disk = small_disk(100_000)
    photos = find_photos([tmp_path / "a.png", tmp_path / "b.png"], disk)
    with pytest.raises(OSError, match="No space left on device") as caught:
        segment_files(artifact, photos, disk)
    assert caught.value.filename == str(disk / "b-overlay.png")
    finished = {"a.png", "a-overlay.png", "predicted.json"}
    assert {path.name for path in disk.iterdir()} == finished
    # With more room the call resumes from there.
    calls = artifact.calls
    outcome = segment_files(artifact, photos[:1], disk)
    assert (outcome.kept, artifact.calls) == (1, calls)


def test_without_rasterio_scenes_are_refused_at_once(
    artifact, scenes, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "rasterio", None)
    photos = find_photos([scenes], tmp_path / "out")
    with pytest.raises(MissingExtraError, match=r"segshrink\[geo\]"):
        segment_files(artifact, photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()
