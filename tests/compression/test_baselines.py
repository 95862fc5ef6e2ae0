"""Training time and settings of the baselines; results are tested end to end."""

import json

import keras
import numpy as np
import pytest

from segshrink.compression import baselines
from segshrink.compression.context import Context
from segshrink.models import save_model
from segshrink.models.heads import TWO_CLASSES, with_logits
from segshrink.models.input_range import TO_RANGE, with_input_range
from segshrink.pruning import MagnitudePruning
from segshrink.pruning.magnitude import kernels
from segshrink.recipe import parse_recipe
from segshrink.records.stage import TakenRecord, TrainedRecord
from segshrink.training import TrainingResult


def _model(filters: int) -> keras.Model:
    image = keras.Input((32, 32, 3))
    inner = keras.layers.Conv2D(filters, 1)(image)
    return keras.Model(image, keras.layers.Conv2D(3, 1)(inner))


class Trained:
    """Replaces `train`: keeps its arguments, and reports the seconds given per epoch.

    The first epoch takes longer, and half of each kernel becomes zero.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.calls: list[dict] = []

    def __call__(self, model, settings, context, **rest):
        self.calls.append({"model": model, "settings": settings, **rest})
        folder = context.folder
        folder.mkdir(parents=True, exist_ok=True)
        rows = f"epoch,seconds\n1,{self.seconds + 60}\n2,{self.seconds}\n"
        (folder / "history.csv").write_text(rows)
        for kernel in kernels(model):
            zeroed = keras.ops.convert_to_numpy(kernel).copy()
            zeroed.reshape(-1)[::2] = 0
            kernel.assign(zeroed)
        save_model(model, folder / "model.keras")
        return TrainingResult(
            epochs=settings.epochs,
            best_epoch=1,
            best_val_miou=0.5,
            best_val_loss=1.0,
            seconds=self.seconds,
            tiles=8,
            steps=2,
            steps_to_90_percent=2,
        )


@pytest.fixture
def trained(monkeypatch):
    stand_in = Trained(seconds=2.0)
    monkeypatch.setattr(baselines, "train", stand_in)
    return stand_in


def write_record(folder, kind="student", parameters=1, seconds=0.0, **others):
    TrainedRecord(
        kind=kind,
        parameters=parameters,
        macs=1,
        seed=0,
        epochs=1,
        best_epoch=1,
        best_val_miou=0.5,
        tiles=1,
        seconds=seconds,
        **others,
    ).write(folder / "record.json")


@pytest.fixture
def begin(tmp_path, tiny_dataset):
    """Begins a run whose teacher and student are done."""

    def begin(recipe, *, teacher_filters=8, student_filters=4):
        context = Context(recipe, tiny_dataset, tmp_path)
        for role, filters, seconds in (
            ("teacher", teacher_filters, 30.0),
            ("student", student_filters, 10.0),
        ):
            model = _model(filters)
            path = context.run.model(role)
            save_model(model, path)
            write_record(path.parent, role, model.count_params(), seconds)
        return context

    return begin


RECIPE = parse_recipe(
    {
        "data": {"tile_px": 32},
        "teacher": {"training": {"learning_rate": 0.02}},
        "student": {
            "training": {
                "learning_rate": 0.003,
                "patience": 2,
                "epochs": 9,
                "tiles_per_epoch": None,
                "batch_size": 8,
            }
        },
    }
)


def test_masks_only_gets_the_students_seconds_and_rate(begin, trained):
    context = begin(RECIPE)
    folder = context.folder / "masked"
    record = baselines.train_masks_only(context, folder)
    timing, training = trained.calls
    assert timing["settings"].epochs == 2
    assert training["settings"].epochs == 5  # 10 s at 2 s an epoch
    assert training["settings"].patience is None
    assert training["settings"].learning_rate == 0.003
    [masks] = training["callbacks"]
    assert isinstance(masks, MagnitudePruning)
    # Of 8 * (3 + 1) + 3 * (8 + 1) weights, 48 in kernels, the student has 31.
    assert masks.final_sparsity == (59 - 31) / 48
    # 3 images of 64 px hold 12 tiles of 32 px: 2 steps of 8 in each of 5 epochs.
    assert masks.end_step == 5
    assert training["choose_from"] == 3
    # The sparsity of the model itself, not the one that was requested.
    assert record.sparsity == 0.5
    assert {path.name for path in folder.iterdir()} == {
        "epochs.json",
        "history.csv",
        "model.keras",
    }


def test_training_runs_of_all_steps_and_the_teachers_logits_count(begin, trained):
    context = begin(RECIPE)
    for step in (1, 2):
        folder = context.folder / "student" / f"step-{step}"
        write_record(folder, seconds=6.0, teacher_seconds=2.0)
    baselines.train_masks_only(context, context.folder / "m")
    assert trained.calls[-1]["settings"].epochs == 13  # 10 s + 2 * 8 s at 2 s
    baselines.train_without_teacher(context, context.folder / "a")
    assert trained.calls[-1]["settings"].epochs == 28  # and 30 s of the teacher


def test_student_as_large_as_the_teacher_needs_no_masks(begin, trained):
    context = begin(RECIPE, student_filters=9)
    record = baselines.train_masks_only(context, context.folder / "m")
    assert trained.calls[-1]["callbacks"] == []
    assert trained.calls[-1]["choose_from"] == 1
    assert record.parameters == _model(8).count_params()


def test_no_teacher_gets_all_the_seconds_behind_the_student(begin, trained):
    context = begin(RECIPE)
    baselines.train_without_teacher(context, context.folder / "alone")
    training = trained.calls[-1]
    assert training["settings"].epochs == 20  # 30 s + 10 s at 2 s an epoch
    assert training["settings"].learning_rate == 0.02  # from scratch, as the teacher
    student = keras.models.load_model(context.run.student)
    assert training["model"].count_params() == student.count_params()
    first = [model.get_weights()[0] for model in (training["model"], student)]
    assert (first[0] != first[1]).any()


def test_fresh_weights_are_the_same_in_a_run_that_resumes(begin, trained):
    context = begin(RECIPE)
    for _ in range(2):
        baselines.train_without_teacher(context, context.folder / "a")
    assert len(trained.calls) == 3  # timed once only
    first, second = (call["model"].get_weights()[0] for call in trained.calls[1:])
    assert (first == second).all()


def test_number_of_epochs_is_kept(begin, trained):
    context = begin(RECIPE)
    folder = context.folder / "masked"
    baselines.train_masks_only(context, folder)
    trained.seconds = 0.5
    baselines.train_masks_only(context, folder)
    assert json.loads((folder / "epochs.json").read_text())["epochs"] == 5
    assert trained.calls[-1]["settings"].epochs == 5


@pytest.mark.parametrize("seconds", [0.0, 1000.0])
def test_at_least_one_epoch_however_long_it_takes(begin, trained, seconds):
    context = begin(RECIPE)
    trained.seconds = seconds
    baselines.train_masks_only(context, context.folder / "m")
    assert trained.calls[-1]["settings"].epochs == (1 if seconds else 100)


def test_no_teacher_beside_a_teacher_file_has_the_students_rate(begin, trained):
    recipe = parse_recipe(
        {"data": {"tile_px": 32}, "teacher": {"file": "t.keras"}, "student": {
            "training": {"learning_rate": 0.003}}}
    )  # fmt: skip
    context = begin(recipe)
    TakenRecord(
        kind="teacher", parameters=1, macs=1, seed=0, taken_from="t.keras", sha256=""
    ).write(context.run.teacher.parent / "record.json")
    baselines.train_without_teacher(context, context.folder / "a")
    assert trained.calls[-1]["settings"].learning_rate == 0.003
    assert trained.calls[-1]["settings"].epochs == 5


def test_constants_of_a_model_keep_their_values():
    image = keras.Input((8, 8, 3))
    scaled = keras.layers.Normalization(mean=None)
    scaled.adapt(np.random.default_rng(0).integers(0, 256, (40, 3)).astype(np.float32))
    inner = keras.Model(image, keras.layers.Conv2D(4, 1)(scaled(image)), name="inner")
    one = keras.Model(image, keras.layers.Conv2D(1, 1)(inner(image)))
    model = with_input_range(with_logits(one), "caffe")
    fresh = baselines._with_fresh_weights(model)
    assert fresh.count_params() == model.count_params()
    same = {
        layer.name: all(map(np.array_equal, layer.get_weights(), copy.get_weights()))
        for layer, copy in zip(
            model._flatten_layers(), fresh._flatten_layers(), strict=True
        )
        if layer.weights and not isinstance(layer, keras.Model)
    }
    kept = {name for name in same if same[name]}
    assert kept == {TO_RANGE, TWO_CLASSES, scaled.name}
    copy = fresh.get_layer("inner") if "inner" in same else fresh
    normalized = next(
        x for x in copy._flatten_layers() if isinstance(x, keras.layers.Normalization)
    )
    given = np.ones((1, 8, 8, 3), np.float32)
    assert np.array_equal(np.asarray(normalized(given)), np.asarray(scaled(given)))
