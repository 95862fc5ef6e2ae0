"""Every verb on files, as a user types it."""

import csv
import io
import json
import shutil
import subprocess

import keras
import numpy as np
import pytest
import yaml
from PIL import Image

from e2e.command_line import refused, started, succeeded, typed
from e2e.run_files import RECORDS, files_of, times_of
from e2e.scenes import COLORS, NAMES, write_description
from segshrink.data import open_dataset
from segshrink.export import export_model
from segshrink.measuring import count_macs
from segshrink.metrics import ConfusionMatrix
from segshrink.recipe import PruningSettings, load_recipe, recipe_yaml
from segshrink.records import sha256_of
from segshrink.reporting.units import human_ms
from segshrink.runtimes import load_artifact, predict_image, shipped_model
from web.pages import block

BRIEFLY = ("--rounds", 3, "--threads", 1)
BRIEF = (
    "--set", "data.tile_px=64",
    "--set", "student.training.epochs=1",
    "--set", "student.training.tiles_per_epoch=8",
    "--set", "student.training.batch_size=4",
)  # fmt: skip


@pytest.fixture(scope="module")
def teacher(finished_run):
    return finished_run / "teacher" / "model.keras"


@pytest.fixture(scope="module")
def student(finished_run):
    return finished_run / "student" / "model.keras"


def test_prune_writes_a_smaller_plain_model(teacher, tmp_path):
    out = tmp_path / "neu" / "smaller.keras"
    printed = succeeded(
        "prune", teacher, "--out", out, "--keep", 0.5, "--multiple-of", 2
    )
    before = keras.models.load_model(teacher, compile=False)
    after = keras.models.load_model(out, compile=False)
    assert after.output_shape == before.output_shape
    assert after.count_params() < 0.5 * before.count_params()
    assert printed.endswith(
        f"{out}: {before.count_params():,} -> {after.count_params():,} weights\n"
    )


def test_prune_of_nothing_keeps_the_function(teacher, tmp_path):
    out = tmp_path / "same.keras"
    succeeded("prune", teacher, "--out", out, "--keep", 1.0)
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    before, after = (
        keras.models.load_model(path, compile=False).predict_on_batch(image)
        for path in (teacher, out)
    )
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("options", [("--criterion", "taylor", "--recover"), ()])
def test_prune_looks_at_data(teacher, scenes, tmp_path, options):
    """With data the weights are refitted by default, as in `compress`."""
    out = tmp_path / "smaller.keras"
    succeeded(
        "prune", teacher, "--out", out, "--macs", 0.5, "--multiple-of", 2,
        "--data", scenes, "--tiles", 6, *options,
    )  # fmt: skip
    before, after = (
        keras.models.load_model(path, compile=False) for path in (teacher, out)
    )
    assert count_macs(after).macs <= count_macs(before).macs / 2
    if not options:
        plain = tmp_path / "plain.keras"
        succeeded("prune", teacher, "--out", plain, "--macs", 0.5, "--multiple-of", 2)
        image = next(iter(open_dataset(scenes).val)).read()[0][None, :64, :64]
        wanted, recovered, cut = (
            model.predict_on_batch(image.astype("float32"))
            for model in (before, after, keras.models.load_model(plain, compile=False))
        )
        assert np.square(recovered - wanted).mean() < np.square(cut - wanted).mean()


def test_distil_trains_the_student_file_and_leaves_the_others(
    teacher, scenes, tmp_path
):
    student, out = tmp_path / "student.keras", tmp_path / "distilled"
    pruned = typed("prune", teacher, "--out", student, "--multiple-of", 2)
    assert pruned.exit_code == 0
    assert "Note: the weights behind removed channels are not refitted" in pruned.errors
    plan = json.loads(student.with_suffix(".plan.json").read_text())
    assert plan["settings"]["keep"] == PruningSettings().keep
    hashes = [sha256_of(path) for path in (teacher, student)]
    command = (
        "distill", scenes, "--teacher", teacher, "--student", student, "--out", out,
        *BRIEF,
    )  # fmt: skip
    printed = succeeded(*command)
    assert [sha256_of(path) for path in (teacher, student)] == hashes
    assert files_of(out) == {
        "data.json", "history.csv", "inputs.json", "model.keras", "recipe.yaml",
        "record.json",
    }  # fmt: skip
    record = json.loads((out / "record.json").read_text())
    assert f"mean IoU {record['best_val_miou']:.3f} on validation" in printed
    assert _miou_of_tiles(out / "model.keras", open_dataset(scenes).val) == (
        pytest.approx(record["best_val_miou"], abs=1e-6)
    )
    before = times_of(out)
    assert succeeded(*command) == printed
    assert times_of(out) == before
    succeeded("prune", teacher, "--out", student, "--keep", 0.75, "--multiple-of", 2)
    again = typed(*command)
    assert again.exit_code == 2
    assert "this folder was begun with another teacher or student" in again.errors
    assert times_of(out) == before


def test_distil_from_several_files_and_predictions(finished_run, scenes, tmp_path):
    student, out = finished_run / "student" / "model.keras", tmp_path / "distilled"
    files = [
        finished_run / "artifacts" / name
        for name in ("teacher-float.onnx", "student-int8.tflite")
    ]
    shutil.copytree(scenes, images := tmp_path / "images")
    for mask in images.rglob("masks/*.png"):
        mask.unlink()
    predicted = tmp_path / "predicted"
    succeeded("predict", files[0], images, "--out", predicted)
    teachers = [x for path in (*files, predicted) for x in ("--teacher", path)]
    command = ("distill", scenes, *teachers, "--student", student, "--out", out, *BRIEF)
    finished = typed(*command)
    assert finished.exit_code == 0, finished.errors
    assert f"{files[0]}: its logits are stored before training" in finished.errors
    assert f"{predicted}: predictions of 3 images, 3 hard and 0 soft" in finished.errors
    assert "probabilities of 3 teachers teaches" in finished.errors
    record = json.loads((out / "record.json").read_text())
    assert record["teacher_seconds"] > 0
    before = times_of(out)
    succeeded(*command)
    assert times_of(out) == before
    fewer = typed(*command[:2], *teachers[:2], *command[2 + len(teachers) :])
    assert "this folder was begun with another teacher or student" in fewer.errors


def _miou_of_tiles(path, part):
    model = keras.models.load_model(path, compile=False)
    confusion = ConfusionMatrix(len(NAMES))
    for image in part:
        pixels, labels = image.read()
        for top in (0, 64):
            for left in (0, 64):
                here = (slice(top, top + 64), slice(left, left + 64))
                logits = model.predict_on_batch(pixels[here][None].astype("float32"))
                confusion.update(labels[here][None], logits.argmax(axis=-1))
    return confusion.mean_iou()


def test_calibrated_logits_are_closer_to_the_truth(student, scenes, tmp_path):
    out = tmp_path / "c.tflite"
    printed = succeeded(
        "export", student, "--out", out, "--data", scenes, "--calibrate"
    )
    assert "Calibrated on" in printed
    before, after = load_artifact(student), load_artifact(out)
    image, labels = open_dataset(scenes).val[0].read()
    logits = [predict_image(each, image) for each in (before, after)]
    temperature = after.metadata.temperature
    np.testing.assert_allclose(temperature * logits[1], logits[0], rtol=1e-2, atol=1e-2)
    quality = tmp_path / "quality.json"
    succeeded("evaluate", out, scenes, "--json", quality, "--out", tmp_path / "looked")
    of_error = json.loads(quality.read_text())["quality"]["calibration"]
    assert 0 <= of_error["expected_error"] <= 1 and of_error["bins"]
    assert (tmp_path / "looked" / "reliability.png").is_file()
    assert "no effect" in refused("export", student, "--out", out, "--calibrate")


@pytest.mark.parametrize("name", ["c.tflite", "c.onnx"])
def test_a_file_of_classes_goes_through_every_verb(student, scenes, tmp_path, name):
    out, plain = tmp_path / name, tmp_path / f"plain-{name}"
    succeeded("export", student, "--out", out, "--data", scenes, "--output", "classes")
    succeeded("export", student, "--out", plain, "--data", scenes)
    scores = {}
    for file in (out, plain):
        record = tmp_path / "record.json"
        succeeded("evaluate", file, scenes, "--json", record)
        scores[file] = json.loads(record.read_text())["quality"]
    # Where tiles overlap, classes vote and logits are blended.
    difference = scores[out]["pixel_accuracy"] - scores[plain]["pixel_accuracy"]
    assert abs(difference) < 0.02
    assert scores[out].get("mean_average_precision") is None
    assert scores[plain]["mean_average_precision"] > 0
    assert "output: classes" in succeeded("inspect", out)
    assert name in succeeded("benchmark", out, "--rounds", 3)
    image = next(scenes.rglob("*.jpg"), None) or next(scenes.rglob("*.png"))
    succeeded("predict", out, image, "--out", tmp_path / "predicted")
    assert (tmp_path / "predicted" / f"{image.stem}.png").is_file()


@pytest.mark.parametrize(
    ("name", "options", "least_agreement"),
    [
        ("s.tflite", (), 0.999),
        ("s.onnx", (), 0.999),
        ("s.tflite", ("--quantize", "int8"), 0.8),
    ],
    ids=["litert", "onnx", "int8"],
)
def test_export_writes_a_file_that_agrees_with_the_model(
    student, scenes, tmp_path, name, options, least_agreement
):
    out = tmp_path / name
    data = ("--data", scenes, "--tiles", 8) if options else ()
    printed = succeeded("export", student, "--out", out, *options, *data)
    assert f"{out}: {out.stat().st_size:,} bytes" in printed
    assert files_of(tmp_path) == {name}
    image, _ = open_dataset(scenes).test[0].read()
    expected, found = (
        predict_image(load_artifact(path), image).argmax(axis=-1)
        for path in (student, out)
    )
    assert (expected == found).mean() >= least_agreement


def test_export_puts_a_model_into_a_page(student, finished_run, tmp_path):
    out = tmp_path / "new" / "student.html"
    printed = succeeded("export", student, "--out", out)
    assert f"{out}: {out.stat().st_size:,} bytes" in printed
    assert files_of(out.parent) == {"student.html"}
    artifact, out = (
        finished_run / "artifacts" / "student-int8.tflite",
        tmp_path / "a.html",
    )
    assert "Open it in a browser" in succeeded("export", artifact, "--out", out)
    assert block(out.read_text(encoding="utf-8"), "model_file") == artifact.read_bytes()


def test_evaluate_gives_the_numbers_of_the_run(finished_run, scenes, tmp_path):
    artifact = finished_run / "artifacts" / "student-int8.tflite"
    record = tmp_path / "records" / "int8.json"
    printed = succeeded("evaluate", artifact, scenes, "--json", record)
    found = json.loads(record.read_text(encoding="utf-8"))
    kept = json.loads(
        (finished_run / "measurements" / "student-int8-litert.json").read_text(
            encoding="utf-8"
        )
    )
    assert found["quality"].items() >= kept["quality"].items()
    assert found["data"]["split"] == kept["data"]["split"]
    assert f"2 images of test: mean IoU {kept['quality']['mean_iou']:.3f}" in printed
    assert all(name in printed for name in NAMES)
    assert sum(map(sum, found["quality"]["confusion"])) == kept["quality"]["pixels"]
    assert f"border IoU {found['quality']['boundary_iou']['mean']:.3f}" in printed
    assert all(row["name"] in printed for row in found["quality"]["scenes"])
    others = [row["iou"] for row in kept["quality"]["classes"] if row["name"] != "Road"]
    again = succeeded("evaluate", artifact, scenes, "--without", "Road")
    assert f"mean IoU without Road: {sum(others) / 4:.3f}" in again


def test_files_know_the_data_of_their_run(finished_run, scenes, tmp_path):
    artifact = finished_run / "artifacts" / "student-int8.tflite"
    kept = finished_run / "measurements" / "student-int8-litert.json"
    expected = json.loads(kept.read_text(encoding="utf-8"))["quality"]["mean_iou"]
    for words in ((), ("run",), ("--data", "run"), (finished_run,)):
        printed = succeeded("evaluate", artifact, *words)
        assert f"2 images of test: mean IoU {expected:.3f}" in printed
    record = tmp_path / "b.json"
    succeeded("benchmark", artifact, *BRIEFLY, "--data", "run", "--json", record)
    (timed,) = json.loads(record.read_text(encoding="utf-8"))["files"]
    assert timed["quality"]["mean_iou"] == expected
    message = refused("evaluate", artifact, "--data", "run", "--split-seed", 1)
    assert "--split-seed has no effect with the data of a run" in message
    message = refused("evaluate", artifact, scenes, "--data", "run")
    assert "--data has no effect beside DATA" in message
    alone = shutil.copy(artifact, tmp_path)
    assert "lies in no run folder" in refused("evaluate", alone)


def test_every_table_is_given_as_json_and_csv_alone(finished_run, scenes, tmp_path):
    """With a dash, standard output holds the figures and nothing else."""
    artifact = finished_run / "artifacts" / "student-int8.tflite"
    model = finished_run / "student" / "model.keras"
    out = tmp_path / "m"
    commands = {
        ("evaluate", artifact): "class",
        ("benchmark", artifact, *BRIEFLY): "file",
        ("inspect", scenes): "scene",
        ("inspect", artifact): "file",
        ("inspect", model): "layer",
        ("prune", model, "--out", out / "s.keras"): "layer",
        ("export", model, "--out", out / "s.tflite"): "file",
        ("report", finished_run): "name",
        ("recipes",): "recipe",
        ("validate", finished_run / "recipe.yaml"): "field",
        ("predict", artifact, next(scenes.rglob("images/*")), "--out", out): "file",
    }
    for command, first in commands.items():
        assert json.loads(succeeded(*command, "--json", "-"))
        rows = list(csv.DictReader(io.StringIO(succeeded(*command, "--csv", "-"))))
        assert rows and next(iter(rows[0])) == first, command
    assert json.loads(succeeded("doctor", "--no-speed", "--json", "-"))["machine"]
    rows = json.loads(succeeded("report", finished_run, "--json", "-"))
    assert sorted(row["name"] for row in rows) == sorted(RECORDS)


def test_evaluate_shows_what_went_wrong(finished_run, scenes, tmp_path):
    artifact = finished_run / "artifacts" / "student-int8.tflite"
    out, record = tmp_path / "looked at", tmp_path / "m.json"
    succeeded(
        "evaluate", artifact, scenes, "--out", out, "--worst", 1, "--json", record
    )
    found = json.loads(record.read_text(encoding="utf-8"))["quality"]
    (worst,) = (out / "worst").iterdir()
    assert worst.name.startswith("01-")
    lowest = min(entry["mean_iou"] for entry in found["by_image"])
    assert found["by_image"][0]["mean_iou"] == lowest
    with Image.open(worst) as picture:
        assert picture.size == (4 * 128 + 3 * 8, 128)
    with Image.open(out / "confusion.png") as picture:
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 20


def test_commands_on_files_say_nothing_beside_the_result(finished_run, tmp_path):
    """A process of its own, since a backend chatters once only."""
    artifact = finished_run / "artifacts" / "student-int8.tflite"
    process = started(
        "benchmark", artifact,
        *BRIEFLY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0
    assert "3 rounds, " in out
    assert {line.partition(":")[0] for line in errors.splitlines()} == {
        f"Opening {artifact} ...", "latency of 1 files", "memory of 1 files",
    }  # fmt: skip


def test_evaluate_takes_another_split_and_part(finished_run, scenes, tmp_path):
    split = tmp_path / "andere.json"
    parts = {"train": ["north/1"], "val": ["south/ö 6"], "test": ["south/4"]}
    split.write_text(json.dumps(parts), encoding="utf-8")
    record = tmp_path / "quality.json"
    succeeded(
        "evaluate", finished_run / "student" / "model.keras", scenes,
        "--part", "val", "--split", split, "--json", record,
    )  # fmt: skip
    found = json.loads(record.read_text(encoding="utf-8"))
    assert found["quality"]["images"] == 1
    assert found["data"]["split"] == {"source": "file andere.json", **parts}


def test_a_run_under_the_public_protocol_says_everywhere_that_it_leaks(
    scenes, recipe_file, tmp_path
):
    patch, out = tmp_path / "patches.json", tmp_path / "run"
    cells = [
        [scene, "view", row, column]
        for scene in ("north/1", "north/2", "south/5")
        for row in (0, 1)
        for column in (0, 1)
    ]
    content = {
        "patch_size_px": 32,
        "columns": ["tile", "image", "row", "column"],
        "train": cells[2:],
        "val": cells[:2],
    }
    patch.write_text(json.dumps(content), encoding="utf-8")
    finished = typed(
        "compress", scenes, "--recipe", recipe_file, "--split", patch, "--out", out,
        "--set", "data.protocol=random-patch", "--set", "data.tile_px=32",
    )  # fmt: skip
    assert finished.exit_code == 0, finished.errors
    assert "Leaking split, from patches of file patches.json" in finished.errors
    record = json.loads((out / "measurements" / "student-int8-litert.json").read_text())
    assert record["data"]["split"]["source"] == "patches of file patches.json"
    assert record["quality"]["images"] == 2
    assert sum(row["pixels"] for row in record["quality"]["classes"]) == 2 * 32 * 32
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "Leaking split" in page
    inspected = succeeded("inspect", out / "artifacts" / "student-int8.tflite")
    assert "patches of file patches.json" in inspected
    file = tmp_path / "alone.tflite"
    succeeded(
        "export", out / "student" / "model.keras", "--out", file, "--quantize", "int8",
        "--data", scenes, "--split", patch, "--protocol", "random-patch",
        "--max-drop", 100,
    )  # fmt: skip
    split = load_artifact(file).metadata.data.split
    assert split == "patches of file patches.json"


def test_predict_without_a_model_takes_the_one_that_comes_along(tmp_path):
    photo, out = tmp_path / "Luftbild.jpg", tmp_path / "out"
    noise = np.random.default_rng(0).integers(0, 256, (10, 14, 3), np.uint8)
    Image.fromarray(noise).resize((700, 500), Image.BICUBIC).save(photo)
    assert "Model: aerial, the one" in succeeded("predict", photo, "--out", out)
    file = shipped_model()
    rows = (out / "areas.csv").read_text(encoding="utf-8").splitlines()
    names = [x.name for x in load_artifact(file).metadata.classes]
    assert {"Building", "Road", "Water"} < set(names)
    assert [row for row in rows if any(name in row for name in names)]
    named = tmp_path / "named"
    succeeded("predict", file, photo, "--out", named)
    assert (named / "Luftbild.png").read_bytes() == (out / "Luftbild.png").read_bytes()


def test_the_model_that_comes_along_is_small_and_tells_of_itself():
    file = shipped_model()
    assert file.stat().st_size < 300_000
    printed = succeeded("inspect", file)
    assert "Semantic segmentation" in printed and "mean_iou" in printed
    card = file.with_suffix(".md").read_text(encoding="utf-8")
    assert sha256_of(file) in card
    for told in ("CC0", "leak", "Limits"):
        assert told in card


def test_evaluate_under_the_public_protocol_says_that_it_leaks(
    finished_run, scenes, tmp_path
):
    split, record = tmp_path / "patches.json", tmp_path / "records" / "q.json"
    content = {
        "patch_size_px": 64,
        "columns": ["tile", "image", "row", "column"],
        "train": [["north/1", "view", 0, 0], ["south/5", "view", 1, 1]],
        "val": [["north/1", "view", 1, 0], ["south/5", "view", 0, 0]],
    }
    split.write_text(json.dumps(content), encoding="utf-8")
    artifact = finished_run / "artifacts" / "student-int8.tflite"
    printed = succeeded(
        "evaluate", artifact, scenes, "--protocol", "random-patch", "--split", split,
        "--without", "Road", "--json", record,
    )  # fmt: skip
    found = json.loads(record.read_text(encoding="utf-8"))
    assert (found["file"], found["runtime"]) == ("student-int8.tflite", "litert")
    assert found["size"]["sha256"] == sha256_of(artifact)
    assert found["threads"] == 1 and found["machine"]["cores"] > 0
    assert found["data"]["name"] == "Stadt"
    assert found["data"]["split"]["source"] == "file patches.json"
    quality = found["quality"]
    assert (quality["protocol"], quality["leaks"]) == ("random-patch", True)
    assert quality["pixels"] == sum(map(sum, quality["confusion"])) == 2 * 64 * 64
    assert quality["void_pixels"] > 0
    for name, value in (
        ("mean IoU", quality["mean_iou"]),
        ("pixel accuracy", quality["pixel_accuracy"]),
        ("soft Jaccard", quality["soft_jaccard"]),
        ("precision", quality["precision_at_half"]),
        ("recall", quality["recall_at_half"]),
    ):
        assert f"{name} {value:.4f}" in printed
    assert "LEAK: 1 of 2 validation patches are neighbours of training" in printed
    assert f"void ({quality['void_pixels']:,} pixels) counts as {NAMES[0]}" in printed
    ious = [
        row["iou"]
        for row in quality["classes"]
        if row["name"] != "Road" and row["iou"] is not None
    ]
    assert f"mean IoU without Road: {sum(ious) / len(ious):.4f}" in printed
    assert all(name in printed for name in NAMES)


def test_benchmark_draws_quality_over_latency(finished_run, scenes, tmp_path):
    plot = tmp_path / "plots" / "latency.png"
    artifact = finished_run / "artifacts" / "student-int8.tflite"
    succeeded("benchmark", artifact, *BRIEFLY, "--plot", plot, "--data", scenes)
    _require_picture(plot)
    assert files_of(tmp_path) == {"plots/latency.png"}


def _require_picture(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 20


def test_benchmark_times_each_file_and_names_the_machine(finished_run, tmp_path):
    files = [
        finished_run / "artifacts" / name
        for name in ("teacher-float.tflite", "student-int8.tflite")
    ]
    record, plot = tmp_path / "latency.json", tmp_path / "latency.png"
    printed = succeeded("benchmark", *files, *BRIEFLY, "--json", record, "--plot", plot)
    _require_picture(plot)
    found = json.loads(record.read_text())
    assert [entry["file"] for entry in found["files"]] == [file.name for file in files]
    for entry, file in zip(found["files"], files, strict=True):
        assert entry["size"]["sha256"] == sha256_of(file)
        (timed,) = entry["latency"]
        assert (timed["rounds"], timed["threads"]) == (3, 1)
        assert human_ms(timed["median_ms"]) in printed
        assert entry["memory"]["peak_bytes"] > entry["memory"]["model_bytes"] > 0
        rate = 1000 * entry["model"]["macs"] / timed["median_ms"]
        assert timed["macs_per_second"] == pytest.approx(rate)
        assert entry["quality"] is None
    assert found["peak_macs_per_second"]["1"] > 1e8
    assert found["machine"]["processor"] in printed


def test_predict_writes_class_indices_and_an_overlay(finished_run, scenes, tmp_path):
    artifact = finished_run / "artifacts" / "student-float.tflite"
    image, _ = open_dataset(scenes).test[0].read()
    photos, out = tmp_path / "Fotos [2]", tmp_path / "Ergebnis (1)"
    photos.mkdir()
    Image.fromarray(image[:40, :100]).save(photos / "straße: eins.png")
    Image.fromarray(image).convert("L").save(photos / "grau.png")
    printed = succeeded("predict", artifact, *photos.iterdir(), "--out", out)
    assert printed == f"2 of 2 images: {out}\n"
    assert files_of(out) == {
        "straße: eins.png", "straße: eins-overlay.png", "grau.png", "grau-overlay.png",
        "areas.csv", "predicted.json",
    }  # fmt: skip
    expected = predict_image(load_artifact(artifact), image[:40, :100]).argmax(-1)
    mask = Image.open(out / "straße: eins.png")
    np.testing.assert_array_equal(np.asarray(mask), expected)
    assert mask.mode == "P"
    assert Image.open(out / "straße: eins-overlay.png").size == (100, 40)
    # In the colours and under the names of the data set, which the file carries.
    colors = {entry.color for entry in load_artifact(artifact).metadata.classes}
    painted = np.asarray(mask.convert("RGB")).reshape(-1, 3)
    assert {tuple(map(int, color)) for color in np.unique(painted, axis=0)} <= colors
    assert set(NAMES) <= set(
        (out / "areas.csv").read_text().replace(",", "\n").split("\n")
    )
    again = succeeded("predict", artifact, photos, "--out", out)
    assert again == f"2 of 2 images, 2 of them before: {out}\n"


def test_predict_does_the_good_images_and_reports_the_damaged(
    finished_run, scenes, tmp_path
):
    artifact = finished_run / "artifacts" / "student-float.tflite"
    source = scenes / "south" / "5" / "images" / "view.png"
    good, damaged, missing = (
        tmp_path / name for name in ("good.png", "damaged.png", "missing.png")
    )
    good.write_bytes(source.read_bytes())
    damaged.write_bytes(source.read_bytes()[:2000])
    out = tmp_path / "out"
    finished = typed("predict", artifact, damaged, missing, good, "--out", out)
    assert finished.exit_code == 2
    assert finished.out == f"1 of 3 images: {out}\n"
    assert f"{damaged}: cannot be decoded" in finished.errors
    assert str(missing) in finished.errors
    results = {"good.png", "good-overlay.png", "areas.csv", "predicted.json"}
    assert files_of(out) == results


@pytest.mark.parametrize("onto", ["image", "overlay"])
def test_predict_never_overwrites_an_image_it_reads(
    finished_run, scenes, tmp_path, onto
):
    artifact = finished_run / "artifacts" / "student-float.tflite"
    images = [tmp_path / "photo.png"]
    if onto == "overlay":
        images.append(tmp_path / "photo-overlay.png")
    for image in images:
        shutil.copy(scenes / "south" / "5" / "images" / "view.png", image)
    before = [image.read_bytes() for image in images]
    finished = typed("predict", artifact, *images, "--out", tmp_path)
    assert finished.exit_code == 2
    assert "overwrite" in finished.errors
    assert [image.read_bytes() for image in images] == before
    assert files_of(tmp_path) == {image.name for image in images}


def test_inspect_of_a_data_set_lists_scenes_and_classes(scenes):
    printed = succeeded("inspect", scenes)
    for scene in ("north/1", "south/ö 6"):
        assert scene in printed
    report = [line.split() for line in printed.splitlines()]
    shares = {
        line[1]: float(line[3].rstrip("%"))
        for line in report
        if len(line) > 3 and line[1] in (*NAMES, "(void)")
    }
    assert set(shares) == {*NAMES, "(void)"}
    assert sum(shares.values()) == pytest.approx(100, abs=0.05)


def test_inspect_writes_a_starter_that_makes_the_data_set_usable(own_scenes):
    (own_scenes / "dataset.yaml").unlink()
    unnamed = succeeded("inspect", own_scenes)
    assert "Nothing names the classes" in unnamed
    assert f"Wrote {own_scenes / 'dataset.yaml'}" in unnamed
    started = yaml.safe_load((own_scenes / "dataset.yaml").read_text(encoding="utf-8"))
    assert {tuple(entry["color"]) for entry in started["classes"]} >= set(COLORS)
    succeeded("inspect", own_scenes)


def test_inspect_writes_no_starter_where_it_is_told_not_to(own_scenes):
    (own_scenes / "dataset.yaml").unlink()
    typed("inspect", own_scenes, "--no-write")
    assert not (own_scenes / "dataset.yaml").exists()


def test_inspect_of_a_data_set_tells_its_faults(own_scenes):
    (own_scenes / "north/1/masks/view.png").unlink()
    write_description(own_scenes, classes=[{"name": "Road", "color": list(COLORS[2])}])
    finished = typed("inspect", own_scenes)
    assert finished.exit_code == 2
    assert "Fault: north/1/images/view.png: has no mask." in finished.errors
    assert "not a class of this data set" in finished.errors
    assert "(undeclared)" in finished.out


def test_inspect_writes_no_starter_that_would_hide_or_spoil(own_scenes):
    misnamed = own_scenes / "dataset.yml"
    (own_scenes / "dataset.yaml").rename(misnamed)
    finished = typed("inspect", own_scenes)
    assert f"{misnamed}: rename it to dataset.yaml" in finished.errors
    assert not (own_scenes / "dataset.yaml").exists()
    misnamed.unlink()
    for masks in own_scenes.glob("*/*/masks"):
        shutil.rmtree(masks)
    finished = typed("inspect", own_scenes)
    assert finished.exit_code == 2
    assert "has no masks folder beside it" in finished.errors
    assert not (own_scenes / "dataset.yaml").exists()


def test_inspect_of_synthetic(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Even beside a folder of that name, which is another data set.
    (tmp_path / "synthetic").mkdir()
    assert "scene-023" in succeeded("inspect", "synthetic")
    assert files_of(tmp_path) == set()


def test_inspect_of_a_model_counts_it_and_shows_what_pruning_would_keep(teacher):
    printed = succeeded("inspect", teacher, "--keep", 0.5)
    size = count_macs(keras.models.load_model(teacher, compile=False))
    assert f"{size.parameters:,} parameters, {size.macs:,} MACs per image" in printed
    assert "(None, 64, 64, 3) -> (None, 64, 64, 5)" in printed
    assert printed != succeeded("inspect", teacher)


@pytest.mark.parametrize("name", ["student-int8.tflite", "student-float.onnx"])
def test_inspect_of_an_exported_file(finished_run, name):
    path = finished_run / "artifacts" / name
    printed = succeeded("inspect", path)
    assert "images 64 x 64 x 3, 5 classes" in printed
    assert sha256_of(path) in printed


def test_report_is_made_again_from_the_records(own_run):
    shutil.rmtree(own_run / "report")
    printed = succeeded("report", own_run)
    assert printed.endswith(f"Report: {own_run / 'report' / 'index.html'}\n")
    assert (own_run / "report" / "index.html").stat().st_size > 10_000


def test_report_as_markdown_writes_nothing(own_run):
    before = times_of(own_run)
    printed = succeeded("report", own_run, "--markdown")
    rows = [line for line in printed.splitlines() if line.startswith("|")]
    assert len(rows) == len(RECORDS) + 2
    assert all(any(name in row for row in rows) for name in RECORDS)
    assert times_of(own_run) == before


def test_validate_prints_a_recipe_that_is_valid_itself(recipe_file, tmp_path):
    complete = tmp_path / "complete.yaml"
    long_path = f"/data/{'sehr lang ' * 30}"
    asked = load_recipe(recipe_file)
    data = asked.data.model_copy(update={"source": long_path})
    complete.write_text(recipe_yaml(asked.model_copy(update={"data": data})))
    printed = succeeded("validate", complete)
    (tmp_path / "printed.yaml").write_text(printed, encoding="utf-8")
    again = load_recipe(tmp_path / "printed.yaml")
    assert again.data.source == long_path
    assert again.teacher == asked.teacher


def test_file_names_with_brackets_are_shown_whole(student, tmp_path):
    out = tmp_path / "a[bold]b :car: [" / "x]" / "s.tflite"
    assert str(out) in succeeded("export", student, "--out", out)


def test_teacher_file_is_taken_as_it_is(teacher, scenes, tmp_path, monkeypatch):
    """The teacher's stage alone: the rest is as in any run."""
    from segshrink.compression import pipeline

    class Reached(Exception): ...

    def stop(*arguments):
        raise Reached

    monkeypatch.setattr(pipeline, "make_student", stop)
    with pytest.raises(Reached):
        typed("compress", scenes, "--out", tmp_path / "run", "--set",
              f"teacher.file={teacher}", "--set", "data.tile_px=64")  # fmt: skip
    assert sha256_of(tmp_path / "run" / "teacher" / "model.keras") == sha256_of(teacher)
    record = json.loads((tmp_path / "run" / "teacher" / "record.json").read_text())
    assert record["sha256"] == sha256_of(teacher)
    assert "seconds" not in record


def test_export_of_a_model_of_any_size_is_refused_in_one_line(scenes, tmp_path):
    image = keras.Input((None, None, 3))
    path = tmp_path / "any.keras"
    keras.Model(image, keras.layers.Conv2D(5, 1)(image)).save(path)
    finished = typed(
        "export", path, "--out", tmp_path / "any.tflite",
        "--quantize", "int8", "--data", scenes,
    )  # fmt: skip
    assert finished.exit_code == 2
    assert "of fixed size, got (None, None, None, 3)" in finished.errors
    assert "Choose one with --size" in finished.errors
    assert not (tmp_path / "any.tflite").exists()


def test_exported_file_of_other_code_is_used_like_ours(scenes, tmp_path):
    """Evaluate and predict ask for one image in and logits out, no more."""
    image = keras.Input((32, 48, 3))
    model = keras.Model(image, keras.layers.Conv2D(len(NAMES), 1)(image))
    path = export_model(model, tmp_path / "foreign.tflite")
    printed = succeeded("evaluate", path, scenes)
    assert "2 images of test" in printed


def test_predict_segments_a_video(finished_run, tmp_path):
    av = pytest.importorskip("av")
    film, out = tmp_path / "film.mp4", tmp_path / "out"
    with av.open(str(film), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for number in range(6):
            picture = np.full((96, 128, 3), 40 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    file = finished_run / "artifacts" / "student-int8.tflite"
    printed = succeeded("predict", file, film, "--out", out, "--every", 2)
    assert printed == f"3 frames: {out / 'film-overlay.mp4'}\n"
    rows = (out / "film-shares.csv").read_text().splitlines()
    assert rows[0] == "frame,seconds,Building,Land,Road,Vegetation,Water"
    assert [row.split(",")[:2] for row in rows[1:]] == [
        ["0", "0.000000"],
        ["2", "0.200000"],
        ["4", "0.400000"],
    ]
    again = succeeded("predict", file, film, "--out", out, "--every", 2)
    assert again.startswith("3 frames, all of them before")
    assert "--polygons has no effect on videos" in refused(
        "predict", file, film, "--out", out, "--polygons", "geojson"
    )
    film.write_bytes(film.read_bytes()[:200])
    assert "film.mp4: cannot be read as a video" in refused(
        "predict", file, film, "--out", out
    )
