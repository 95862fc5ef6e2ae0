"""A run whose files give classes or probabilities, from its recipe to its report."""

import json
import shutil
import sys
from subprocess import run as run_program

import numpy as np
import pytest
from PIL import Image

from e2e.command_line import refused, succeeded
from e2e.run_files import ARTIFACTS, FILES, RECORDS, files_of
from segshrink.data import open_dataset
from segshrink.export import read_metadata
from segshrink.metrics import ConfusionMatrix
from segshrink.reporting.snippets import snippets_for
from segshrink.runtimes import load_artifact, predict_classes

FIELD = "output: logits"


def exported_anew(run, output):
    """Begin a finished run again behind the training of its models."""
    recipe = run / "recipe.yaml"
    text = recipe.read_text(encoding="utf-8")
    assert FIELD in text
    recipe.write_text(text.replace(FIELD, f"output: {output}"), encoding="utf-8")
    for folder in ("artifacts", "measurements", "report"):
        shutil.rmtree(run / folder)


def compressed(run, scenes, recipe_file, output):
    arguments = ("compress", scenes, "--recipe", recipe_file, "--out", run)
    return succeeded(*arguments, "--set", f"export.output={output}")


def records_of(run):
    return [json.loads((run / f"measurements/{x}.json").read_text()) for x in RECORDS]


def confusion_of(artifact, part):
    confusion = ConfusionMatrix(artifact.num_classes)
    size_px = artifact.input_shape[0]
    for image in part:
        pixels, labels = image.read()
        height, width = labels.shape
        # The images hold whole tiles, but the file may look at them overlapping.
        assert height % size_px == width % size_px == 0
        for top in range(0, height, size_px):
            for left in range(0, width, size_px):
                tile = np.s_[top : top + size_px, left : left + size_px]
                found = predict_classes(artifact, pixels[tile][None])[0]
                confusion.update(labels[tile], found)
    return confusion


def test_files_of_classes_are_made_measured_and_told_apart(
    own_run, scenes, recipe_file, tmp_path
):
    before = {x["name"]: x["quality"]["mean_iou"] for x in records_of(own_run)}
    exported_anew(own_run, "classes")
    printed = compressed(own_run, scenes, recipe_file, "classes")
    assert "All files: they give the class of each pixel alone" in printed
    # A page blends scores.
    assert files_of(own_run) == FILES - {"report/try.html"} - {
        "report/precision_recall.png"
    }
    test = open_dataset(scenes).test
    for record in records_of(own_run):
        path = own_run / record["file"]
        artifact = load_artifact(path)
        assert record["output"] == read_metadata(path).output == "classes"
        quality = record["quality"]
        assert quality.get("mean_average_precision") is None
        # Votes of overlapping tiles are near those of tiles side by side.
        assert quality["mean_iou"] == pytest.approx(before[record["name"]], abs=0.05)
        alone = confusion_of(artifact, test).mean_iou()
        assert quality["mean_iou"] == pytest.approx(alone, abs=0.05)
    page = (own_run / "report" / "index.html").read_text(encoding="utf-8")
    assert "argmax" not in page
    assert "Kotlin" not in page
    assert "const classes = await output.data();" in page
    file = own_run / "artifacts" / "student-int8.tflite"
    _the_program_gives_its_classes(file, test[0].read()[0], tmp_path)
    _what_needs_scores_is_refused(file, scenes, own_run, tmp_path)


def _the_program_gives_its_classes(file, pixels, folder):
    photo = np.asarray(pixels)[:64, :64]
    # As PNG, which keeps every pixel, though its name says otherwise.
    Image.fromarray(photo).save(folder / "photo.jpg", format="PNG")
    program = snippets_for(str(file), "classes")[0].text
    save = "np.save('classes.npy', classes)"
    run_program([sys.executable, "-c", f"{program}\n{save}"], cwd=folder, check=True)
    expected = predict_classes(load_artifact(file), photo[None])[0]
    np.testing.assert_array_equal(np.load(folder / "classes.npy"), expected)


def _what_needs_scores_is_refused(file, scenes, run, folder):
    photo = folder / "photo.jpg"
    message = refused("predict", file, photo, "--confidence", "--out", folder / "p")
    assert "gives the class of each pixel alone, but --confidence needs" in message
    message = refused(
        "distill", scenes, "--teacher", file,
        "--student", run / "student" / "model.keras",
        "--out", folder / "student", "--set", "data.tile_px=64",
    )  # fmt: skip
    assert "alone, but distillation needs" in message
    message = refused("export", file, "--out", folder / "try.html")
    assert "alone, but a page needs" in message
    assert "mean IoU" in succeeded("evaluate", file, scenes)


def test_a_file_that_is_lost_gives_classes_again(own_run, scenes, recipe_file):
    exported_anew(own_run, "classes")
    compressed(own_run, scenes, recipe_file, "classes")
    lost = own_run / "artifacts" / "student-int8.tflite"
    whole = lost.read_bytes()
    lost.unlink()
    compressed(own_run, scenes, recipe_file, "classes")
    assert lost.read_bytes() == whole
    # With another output it is another run.
    arguments = ("compress", scenes, "--recipe", recipe_file, "--out", own_run)
    message = refused(*arguments)
    assert "export.output: 'classes' in this folder, 'logits' requested" in message


def test_files_of_probabilities_reach_what_those_of_logits_do(
    own_run, scenes, recipe_file
):
    before = {x["name"]: x["quality"] for x in records_of(own_run)}
    exported_anew(own_run, "probabilities")
    printed = compressed(own_run, scenes, recipe_file, "probabilities")
    assert "All files: they give probabilities" in printed
    assert files_of(own_run) == FILES
    for record in records_of(own_run):
        assert record["output"] == "probabilities"
        after, then = record["quality"], before[record["name"]]
        # Logits of overlapping tiles are blended, or the logarithms of probabilities.
        for score in ("mean_iou", "pixel_accuracy", "mean_average_precision"):
            assert after[score] == pytest.approx(then[score], abs=0.02)
    assert {x.name for x in (own_run / "artifacts").iterdir()} >= set(ARTIFACTS)
