"""Images in, pictures of classes out."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segshrink.errors import DatasetError, RunFolderError, UsageError
from segshrink.prediction import (
    Photo,
    find_photos,
    legend,
    segment_file,
    segment_files,
)


class BrightnessArtifact:
    """Class 0 where red is low, 1 where it is high; stands for a model file."""

    runtime, runtime_version, threads = "none", "0", 1
    input_shape, num_classes = (16, 16), 3
    facts = None

    def __init__(self, path=Path("brightness")):
        self.path = path
        self.calls = 0

    def predict(self, images):
        self.calls += 1
        red = images[..., 0].astype(np.float32)
        return np.stack([255 - red, red, np.full_like(red, -1)], axis=-1)


@pytest.fixture
def artifact(tmp_path):
    path = tmp_path / "brightness.tflite"
    path.write_text("one")
    return BrightnessArtifact(path)


def stripes(path, dark=10, size=(20, 30)):
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[:, dark:] = 250
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def striped(tmp_path):
    path = stripes(tmp_path / "a picture.v2.png")
    return Photo(path, Path("a picture.v2"))


def test_mask_holds_class_indices_and_a_palette(striped, tmp_path):
    out = tmp_path / "new" / "out"
    counts = segment_file(BrightnessArtifact(), striped, out)
    assert counts.tolist() == [200, 400, 0]
    mask = striped.mask(out)
    assert mask == out / "a picture.v2.png"
    with Image.open(mask) as picture:
        expected = np.zeros((20, 30), np.uint8)
        expected[:, 10:] = 1
        np.testing.assert_array_equal(np.asarray(picture), expected)
        colors = np.asarray(picture.convert("RGB"))
    assert len(np.unique(colors.reshape(-1, 3), axis=0)) == 2


def test_overlay_lies_between_image_and_class_colour(striped, tmp_path):
    segment_file(BrightnessArtifact(), striped, tmp_path / "out")
    overlay = np.asarray(Image.open(tmp_path / "out" / "a picture.v2-overlay.png"))
    image = np.asarray(Image.open(striped.path)).astype(float)
    mask = striped.mask(tmp_path / "out")
    colors = np.asarray(Image.open(mask).convert("RGB")).astype(float)
    np.testing.assert_allclose(overlay, 0.55 * image + 0.45 * colors, atol=1)


def test_names_and_colours_are_those_of_the_file(striped, tmp_path):
    artifact = BrightnessArtifact()
    artifact.facts = {
        "classes": [
            {"name": name, "color": [10 * i, 0, 255]} for i, name in enumerate("abc")
        ]
    }
    assert legend(artifact)[1] == ("b", (10, 0, 255))
    segment_file(artifact, striped, tmp_path / "out")
    painted = Image.open(striped.mask(tmp_path / "out")).convert("RGB")
    assert painted.getpixel((0, 0)) == (0, 0, 255)
    assert painted.getpixel((29, 0)) == (10, 0, 255)


@pytest.mark.parametrize(
    "facts",
    [None, {}, {"classes": None}, {"classes": [{"name": "a"}] * 3},
     {"classes": [{"name": "a", "color": [1, 2, 3]}]}, {"classes": 5}],
)  # fmt: skip
def test_without_fitting_facts_classes_have_numbers(facts):
    artifact = BrightnessArtifact()
    artifact.facts = facts
    found = legend(artifact)
    assert [name for name, _ in found] == ["class 0", "class 1", "class 2"]
    assert len({color for _, color in found}) == 3


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (16, 16)])
def test_any_size_comes_out_at_its_own_size(tmp_path, size):
    path = tmp_path / "x.png"
    Image.new("RGB", size).save(path)
    photo = Photo(path, Path("x"))
    segment_file(BrightnessArtifact(), photo, tmp_path / "out")
    assert Image.open(photo.mask(tmp_path / "out")).size == size


def test_damaged_image_leaves_nothing(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"torn")
    with pytest.raises(DatasetError, match="x.png"):
        segment_file(BrightnessArtifact(), Photo(path, Path("x")), tmp_path / "out")
    assert not (tmp_path / "out").exists()


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


def test_folders_that_cannot_be_meant_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty: holds no image \(.jpg"):
        find_photos([tmp_path / "empty"], tmp_path / "out")
    with pytest.raises(UsageError, match="would be taken for images next time"):
        find_photos([tmp_path / "empty"], tmp_path / "empty")


def areas(out):
    with (out / "areas.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_areas_of_classes_are_told_for_each_image(artifact, tmp_path):
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


def test_a_second_call_keeps_what_is_there(artifact, tmp_path):
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
    # An image that was changed since is segmented anew.
    stripes(photos / "a.png", dark=15)
    later = (out / "a.png").stat().st_mtime_ns + 10**9
    os.utime(photos / "a.png", ns=(later, later))
    assert segment_files(artifact, found, out).done == 1
    assert areas(out)[0]["pixels"] == "300"


def test_results_of_another_model_are_not_mixed_in(artifact, tmp_path):
    photo, out = stripes(tmp_path / "a.png"), tmp_path / "out"
    photos = find_photos([photo], out)
    segment_files(artifact, photos, out)
    artifact.path.write_text("two")
    with pytest.raises(RunFolderError, match=r"another model \(brightness.tflite\)"):
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
