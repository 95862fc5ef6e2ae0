"""`segshrink compress` from a folder of images to the report."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from e2e.command_line import succeeded, typed
from e2e.run_files import ARTIFACTS, FILES, RECORDS, files_of, times_of
from e2e.scenes import NAMES, SPLIT
from segshrink.compression.context import Context
from segshrink.compression.data import open_recipe_data
from segshrink.compression.forecast import Speed, planned_stages
from segshrink.data import IGNORE_INDEX, open_dataset
from segshrink.metrics import ConfusionMatrix
from segshrink.progress import SilentProgress
from segshrink.recipe import load_recipe
from segshrink.records import gzipped_size_bytes, sha256_of
from segshrink.runtimes import load_artifact, predict_image

pytestmark = pytest.mark.smoke


def test_run_folder_holds_what_is_promised_and_nothing_else(finished_run):
    assert files_of(finished_run) == FILES


def test_it_ends_with_the_table_and_the_path_of_the_report(finished_run):
    printed = finished_run.with_suffix(".printed").read_text(encoding="utf-8")
    assert printed.endswith(f"Report: {finished_run / 'report' / 'index.html'}\n")
    for name in RECORDS:
        assert name in printed
    caption = " ".join(printed.split())  # which is wrapped
    for fact in ("south/5, south/ö 6", "from dataset.yaml", "with 1 thread on"):
        assert fact in caption


def test_it_begins_with_the_plan_of_what_it_does(finished_run):
    told = finished_run.with_suffix(".told").read_text(encoding="utf-8")
    plan = told[told.index("Plan of ") : told.index("To make it shorter")]
    assert told.index("To make it shorter") < told.index("teacher: done in")
    assert all(name in plan for name in ARTIFACTS)
    assert "unet, trained from the start: 4 epochs of 8 tiles" in plan
    assert " in all. This is an estimate" in plan
    # Each work whose time was estimated is one that the run reports.
    done = [line for line in told.splitlines() if ": done in " in line]
    recipe = load_recipe(finished_run / "recipe.yaml")
    dataset = open_recipe_data(recipe, SilentProgress())
    stages = planned_stages(
        Context(recipe, dataset, Path("elsewhere")), None, Speed(1.0, 1.0)
    )
    labels = [work.label for stage in stages for work in stage.works]
    assert {"teacher", "student", "export", "latency", "report"} < set(labels)
    for label in set(labels) - {"teacher's logits"}:
        assert any(line.startswith(label) for line in done), label


def test_second_call_does_nothing_and_prints_the_same(own_run, scenes, recipe_file):
    before = times_of(own_run)
    arguments = ("compress", scenes, "--recipe", recipe_file, "--out", own_run)
    finished = typed(*arguments)
    assert "Plan of" not in finished.errors
    assert times_of(own_run) == before
    assert succeeded("report", own_run) == finished.out


def test_a_trailing_slash_means_the_same_folder(own_run, scenes, recipe_file):
    before = times_of(own_run)
    succeeded("compress", f"{scenes}/", "--recipe", recipe_file, "--out", own_run)
    assert times_of(own_run) == before


@pytest.mark.parametrize("name", RECORDS)
def test_record_names_the_file_and_its_bytes(finished_run, name):
    record = _record(finished_run, name)
    path = finished_run / record["file"]
    assert record["size"] == {
        "size_bytes": path.stat().st_size,
        "gzipped_bytes": gzipped_size_bytes(path),
        "sha256": sha256_of(path),
    }
    artifact = load_artifact(path)
    assert record["name"] == name
    assert record["role"] == name.partition("-")[0]
    assert record["runtime"] == record["format"] == artifact.runtime
    assert record["runtime_version"] == artifact.runtime_version
    assert record["model"]["input_shape"] == [64, 64, 3]
    assert record["data"]["split"] == {"source": "dataset.yaml", **SPLIT}
    assert record["latency"]["rounds"] == 3
    assert 0 < record["latency"]["min_ms"] <= record["latency"]["median_ms"]


@pytest.mark.parametrize("name", RECORDS)
def test_quality_is_that_of_the_file_on_whole_test_images(finished_run, scenes, name):
    record = _record(finished_run, name)
    dataset = open_dataset(scenes)
    artifact = load_artifact(finished_run / record["file"])
    confusion = ConfusionMatrix(len(NAMES))
    void_pixels = 0
    for image in dataset.test:
        pixels, labels = image.read()
        confusion.update(labels, predict_image(artifact, pixels).argmax(axis=-1))
        void_pixels += int((labels == 255).sum())
    quality = record["quality"]
    assert quality["part"] == "test"
    assert quality["images"] == 2
    assert quality["void_pixels"] == void_pixels > 0
    assert quality["pixels"] == confusion.counts.sum() == 2 * 128**2 - void_pixels
    assert quality["mean_iou"] == pytest.approx(confusion.mean_iou(), abs=1e-12)
    assert quality["pixel_accuracy"] == pytest.approx(confusion.pixel_accuracy)
    iou = [of_class["iou"] for of_class in quality["classes"]]
    assert iou == pytest.approx(confusion.iou)


def test_student_has_fewer_channels_and_a_smaller_file(finished_run):
    teacher, student, int8 = (
        _record(finished_run, name)
        for name in ("teacher-float-litert", "student-float-litert",
                     "student-int8-litert")
    )  # fmt: skip
    assert student["model"]["parameters"] < 0.5 * teacher["model"]["parameters"]
    assert student["model"]["macs"] < 0.5 * teacher["model"]["macs"]
    sizes = [of["size"]["gzipped_bytes"] for of in (int8, student, teacher)]
    assert sizes == sorted(sizes)
    plan = json.loads((finished_run / "student" / "plan.json").read_text())
    assert plan["parameters_after"] == student["model"]["parameters"]


def test_samples_show_image_truth_and_what_each_file_predicts(finished_run, scenes):
    folder = finished_run / "measurements" / "samples"
    dataset = open_dataset(scenes)
    entries = json.loads((folder / "samples.json").read_text(encoding="utf-8"))
    assert [entry["image"] for entry in entries] == [i.name for i in dataset.test]
    name = "student-int8-litert"
    artifact = load_artifact(finished_run / _record(finished_run, name)["file"])
    for entry, annotated in zip(entries, dataset.test, strict=True):
        image, labels = annotated.read()
        predicted = predict_image(artifact, image).argmax(axis=-1)
        expected = {
            "image": image,
            "truth": dataset.classes.colorize(labels),
            name: dataset.classes.colorize(predicted),
        }
        for stem, pixels in expected.items():
            picture = Image.open(folder / entry["folder"] / f"{stem}.png")
            np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), pixels)
        # Void is black, as a class may be; so it is transparent, too.
        truth = Image.open(folder / entry["folder"] / "truth.png").convert("RGBA")
        is_void = labels == IGNORE_INDEX
        np.testing.assert_array_equal(np.asarray(truth)[..., 3] == 0, is_void)


def test_kept_recipe_is_complete_and_repeats_the_run(
    finished_run, own_run, recipe_file
):
    kept = finished_run / "recipe.yaml"
    assert kept.read_text(encoding="utf-8").startswith("# segshrink ")
    requested, complete = load_recipe(recipe_file), load_recipe(kept)
    assert complete.teacher == requested.teacher
    assert complete.student == requested.student
    content = yaml.safe_load(kept.read_text(encoding="utf-8"))
    assert content["student"]["training"]["weight_decay"] == 1e-4
    before = times_of(own_run)
    succeeded("compress", complete.data.source, "--recipe", kept, "--out", own_run)
    assert times_of(own_run) == before


def test_deleted_artifact_is_exported_again(own_run, scenes, recipe_file):
    artifact = own_run / "artifacts" / "student-float.tflite"
    content = artifact.read_bytes()
    artifact.unlink()
    succeeded("compress", scenes, "--recipe", recipe_file, "--out", own_run)
    assert artifact.read_bytes() == content


def _record(run: Path, name: str) -> dict:
    path = run / "measurements" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))
