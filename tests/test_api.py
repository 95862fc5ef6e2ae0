"""The front of the package: what a script or a notebook asks for first."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import yaml
from PIL import Image

import segshrink
from segshrink.api import _recipe_of
from segshrink.data import open_dataset
from segshrink.errors import ModelError, RecipeError, UsageError
from segshrink.progress import SilentProgress
from segshrink.recipe import Recipe, parse_recipe
from segshrink.runtimes import classes_of_image, load_artifact, shipped_model


def test_every_name_is_there_and_listed():
    assert set(segshrink.__all__) <= set(dir(segshrink))
    for name in segshrink.__all__:
        assert getattr(segshrink, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'shrink'"):
        _ = segshrink.shrink


def test_the_front_imports_nothing_heavy():
    program = (
        "import segshrink, sys; dir(segshrink); "
        "print({'keras', 'numpy', 'rich'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert found.stdout.strip() == b"set()"


def test_a_folder_and_keywords_are_a_recipe(tmp_path):
    recipe = _recipe_of("photos", None, {"seed": 3, "data": {"tile_px": 128}})
    assert recipe == parse_recipe(
        {"data": {"source": "photos", "tile_px": 128}, "seed": 3}
    )
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"seed": 1, "student": {"pruning": {"keep": 0.5}}}))
    merged = _recipe_of("synthetic", file, {"student": {"pruning": {"scope": "layer"}}})
    assert (merged.seed, merged.data.source) == (1, "synthetic")
    pruning = merged.student.pruning
    assert (pruning.keep, pruning.scope) == (0.5, "layer")


def test_a_whole_recipe_is_taken_as_it_is(tmp_path):
    recipe = Recipe.model_validate({"data": {"source": "synthetic"}})
    assert _recipe_of(recipe, None, {}) is recipe
    file = tmp_path / "whole.yml"
    file.write_text("data: {source: synthetic}\n")
    assert _recipe_of(file, None, {}) == recipe
    with pytest.raises(UsageError, match="seed: has no effect"):
        _recipe_of(recipe, None, {"seed": 1})
    with pytest.raises(RecipeError, match="sead"):
        _recipe_of("photos", None, {"sead": 1})


def test_predict_takes_files_and_arrays(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (300, 270, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "photo.png")
    artifact = load_artifact(shipped_model())
    expected = classes_of_image(artifact, image)
    for model in (artifact, shipped_model(), str(shipped_model())):
        found = segshrink.predict(model, tmp_path / "photo.png")
        assert np.array_equal(found, expected)
    assert np.array_equal(segshrink.predict(artifact, image), expected)
    with pytest.raises(ModelError, match="no such file"):
        segshrink.predict(tmp_path / "lost.tflite", image)
    with pytest.raises(UsageError, match="no effect on a model that is open"):
        segshrink.predict(artifact, image, input_range="0-1")
    with pytest.raises(UsageError, match="says itself that it takes images of 0-255"):
        segshrink.predict(shipped_model(), image, input_range="0-1")


def test_evaluate_measures_what_the_verb_measures():
    found = segshrink.evaluate(
        shipped_model(), "synthetic", progress=SilentProgress(), scenes=10, scene_px=64
    )
    dataset = open_dataset("synthetic", scenes=10, scene_px=64)
    artifact = load_artifact(shipped_model())
    right = total = 0
    for image in dataset.test:
        pixels, labels = image.read()
        valid = labels < 6
        right += (classes_of_image(artifact, pixels) == labels)[valid].sum()
        total += valid.sum()
    assert found.pixel_accuracy == pytest.approx(right / total)
    shown = found._repr_html_()
    assert "<pre" in shown and f"{found.mean_iou:.3f}" in shown
    with pytest.raises(UsageError, match="val or test"):
        segshrink.evaluate(shipped_model(), "synthetic", part="train")
    with pytest.raises(UsageError, match="slpit: no such option"):
        segshrink.evaluate(shipped_model(), "synthetic", slpit="parts.json")


def test_evaluate_takes_a_model_of_another_range(tmp_path):
    image = keras.Input((64, 64, 3))
    model = keras.Model(image, keras.layers.Conv2D(6, 1)(image))
    model.save(tmp_path / "unit.keras")
    scaled = keras.layers.Rescaling(1 / 255)(image)
    keras.Model(image, model(scaled)).save(tmp_path / "bytes.keras")
    options = {"scenes": 6, "scene_px": 64, "progress": SilentProgress()}
    expected = segshrink.evaluate(tmp_path / "bytes.keras", "synthetic", **options)
    opened = load_artifact(tmp_path / "unit.keras", input_range="0-1")
    found = segshrink.evaluate(opened, "synthetic", **options)
    assert found.confusion == expected.confusion


def test_prune_and_export_in_two_lines(tmp_path):
    from segshrink.models import build_model

    model = build_model(
        "unet", num_classes=6, input_shape=(64, 64, 3), base_filters=8, levels=2
    )
    small = segshrink.prune(model, keep=0.5)
    assert small.count_params() < model.count_params()
    plan = segshrink.plan_pruning(model, keep=0.5)
    assert "channels" in plan._repr_html_()
    file = segshrink.export_model(small, tmp_path / "small.tflite")
    image = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3), np.uint8)
    logits = small.predict_on_batch(image.astype(np.float32))
    assert load_artifact(file).predict(image) == pytest.approx(logits, abs=1e-3)
    with pytest.raises(UsageError, match="format must be one of"):
        segshrink.export_model(small, tmp_path / "small.pb")
