import json

import keras
import numpy as np
import pytest

from segshrink.compression.context import Context
from segshrink.compression.student import budget_of, make_student, prune_once
from segshrink.models import save_model
from segshrink.recipe import parse_recipe


def small_model(num_classes=3):
    image = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(16, 3, padding="same", name="first", activation="relu")(x)
    x = keras.layers.Conv2D(16, 3, padding="same", name="second", activation="relu")(x)
    return keras.Model(image, keras.layers.Conv2D(num_classes, 1, name="logits")(x))


def recipe_with(**pruning):
    training = {"epochs": 1, "tiles_per_epoch": 8, "batch_size": 4}
    student = {"pruning": {"multiple_of": 1, **pruning}, "training": training}
    return parse_recipe({"student": student, "data": {"tile_px": 32}})


def prune(recipe, dataset, folder, model=None):
    return prune_once(Context(recipe, dataset, folder), model or small_model(), folder)


def test_pruned_student_leaves_its_plan(tiny_dataset, tmp_path):
    student = prune(recipe_with(keep=0.5), tiny_dataset, tmp_path)
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert student.get_layer("first").filters == 8
    assert plan["parameters_after"] == student.count_params()


def test_a_model_that_was_pruned_already_is_taken_as_it_is(tiny_dataset, tmp_path):
    first = prune(recipe_with(keep=0.5), tiny_dataset, tmp_path)
    again = prune(recipe_with(keep=0.25), tiny_dataset, tmp_path)
    assert again.get_layer("first").filters == 8
    for one, other in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("criterion", ["mean_activation", "taylor", "fisher"])
def test_criteria_look_at_training_tiles(tiny_dataset, tmp_path, criterion):
    recipe = recipe_with(keep=0.5, criterion=criterion, tiles=3)
    prune(recipe, tiny_dataset, tmp_path)
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert plan["settings"]["criterion"] == criterion
    assert plan["settings"]["images"] == 3


def test_recovery_brings_the_student_nearer_to_its_teacher(tiny_dataset, tmp_path):
    teacher = small_model()
    errors = []
    images = next(iter(tiny_dataset.val)).read()[0][None, :32, :32].astype("float32")
    for recovery in ("none", "reconstruction"):
        folder = tmp_path / recovery
        recipe = recipe_with(keep=0.5, recovery=recovery)
        student = prune(recipe, tiny_dataset, folder, teacher)
        gap = student.predict_on_batch(images) - teacher.predict_on_batch(images)
        errors.append(np.square(gap).mean())
    assert errors[1] < errors[0] / 2


def test_each_step_is_a_stage_that_is_done_once(tiny_dataset, tmp_path):
    recipe = recipe_with(budget={"kind": "macs", "target": 0.4}, steps=3, step_epochs=1)
    teacher = tmp_path / "teacher.keras"
    save_model(small_model(), teacher)
    folder = tmp_path / "student"
    context = Context(recipe, tiny_dataset, tmp_path)
    make_student(context, teacher, folder)
    plans = [
        json.loads((place / "plan.json").read_text())
        for place in (folder / "step-1", folder / "step-2", folder)
    ]
    shares = [plan["macs_after"] / plans[0]["macs_before"] for plan in plans]
    for step, share in enumerate(shares, start=1):
        assert 0.4 ** (step / 3) * 0.8 < share <= 0.4 ** (step / 3) + 1e-9
    for earlier, later in zip(plans, plans[1:], strict=False):
        assert later["macs_before"] == earlier["macs_after"]
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    files -= {name for name in files if name.startswith("checkpoint")}
    assert files == {
        f"{place}{name}"
        for place in ("", "step-1/", "step-2/")
        for name in ("plan.json", "model.keras", "history.csv")
    } | {"step-1/record.json", "step-2/record.json"}
    before = (folder / "step-1" / "model.keras").stat().st_mtime_ns
    make_student(context, teacher, folder)
    assert (folder / "step-1" / "model.keras").stat().st_mtime_ns == before


def test_compact_student_has_the_teachers_input_and_classes(tiny_dataset, tmp_path):
    recipe = parse_recipe(
        {
            "student": {
                "kind": "compact",
                "training": {"epochs": 1, "tiles_per_epoch": 4, "batch_size": 4},
            },
            "data": {"tile_px": 32},
        }
    )
    save_model(small_model(), tmp_path / "teacher.keras")
    folder = tmp_path / "student"
    context = Context(recipe, tiny_dataset, tmp_path)
    make_student(context, tmp_path / "teacher.keras", folder)
    student = keras.models.load_model(folder / "model.keras", compile=False)
    assert student.input_shape == (None, 32, 32, 3)
    assert student.output_shape == (None, 32, 32, 3)
    assert not (folder / "plan.json").exists()


def test_budget_is_built_from_the_recipe():
    settings = recipe_with(
        budget={"kind": "latency", "target": 0.25, "runtime": "onnx", "threads": 2}
    ).student.pruning
    assert budget_of(settings).as_record().as_plain() == {
        "kind": "latency",
        "target": 0.25,
        "runtime": "onnx",
        "threads": 2,
        "quantize": None,
    }
    assert budget_of(recipe_with(keep=0.4).student.pruning) is None
