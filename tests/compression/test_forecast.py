"""The plan of a run, and its time, computed by hand from the speed of the models."""

import keras
import pytest

from segshrink.compression import forecast
from segshrink.compression.context import Context
from segshrink.compression.exporting import files_to_make
from segshrink.compression.forecast import (
    Speed,
    announce,
    forward_seconds,
    measured_speed,
    plan_lines,
    planned_stages,
)
from segshrink.compression.time_left import TimeLeft
from segshrink.progress import SilentProgress
from segshrink.recipe import parse_recipe

FIELDS = {
    "data": {"tile_px": 32},
    "teacher": {
        "model": {"levels": 1, "base_filters": 8},
        "training": {"epochs": 4, "tiles_per_epoch": 10, "batch_size": 4},
    },
    "student": {
        "pruning": {"keep": 0.5},
        "training": {"epochs": 2, "tiles_per_epoch": 8, "batch_size": 4},
    },
}
# A second for a tile of the teacher, half of it for the student.
SPEED = Speed(1.0, 0.5)


@pytest.fixture
def context(tiny_dataset, tmp_path):
    return lambda **fields: Context(
        parse_recipe({**FIELDS, **fields}), tiny_dataset, tmp_path / "run"
    )


def by_name(stages):
    return {stage.name: stage for stage in stages}


def works(stage):
    return {work.label: work.seconds for work in stage.works}


def test_training_counts_three_passes_and_validation_one(context):
    stages = by_name(planned_stages(context(), None, SPEED))
    # 3 steps of 4 tiles cover 10; the validation image has 4 tiles of 32 pixels.
    assert works(stages["teacher"])["teacher"] == pytest.approx(
        3 * 4 * 12 + 4 * 4 + forecast._COMPILE
    )
    # The teacher is asked in each step: 16 tiles, where its logits would take 12 times
    # the number of colour variants.
    assert works(stages["student"])["student"] == pytest.approx(
        (3 * 2 * 8 + 2 * 4) * 0.5 + 16 + forecast._COMPILE
    )
    assert "4 epochs of 12 tiles" in stages["teacher"].does
    assert (
        "pruned to 50% of its channels, distilled: 2 epochs" in stages["student"].does
    )


def test_a_batch_that_is_left_open_is_taken_for_8(context):
    open_ = {"epochs": 4, "tiles_per_epoch": 10, "batch_size": "auto"}
    fields = {x: {**FIELDS[x], "training": open_} for x in ("teacher", "student")}
    stages = by_name(planned_stages(context(**fields), None, SPEED))
    assert "4 epochs of 16 tiles" in stages["teacher"].does
    assert "4 epochs of 16 tiles" in stages["student"].does


def test_each_step_of_pruning_stores_logits_and_trains(context):
    long = {"epochs": 100, "tiles_per_epoch": 8, "batch_size": 4}
    pruning = {"keep": 0.5, "steps": 3, "step_epochs": 10}
    student = {**FIELDS["student"], "training": long, "pruning": pruning}
    stage = by_name(planned_stages(context(student=student), None, SPEED))["student"]
    assert [work.label for work in stage.works] == [
        "reconstructing", *["teacher's logits", "student"] * 3
    ]  # fmt: skip
    *_, first, _, _, _, last = (work.seconds for work in stage.works)
    assert first == pytest.approx(last / 10)


def test_stored_logits_are_computed_once(context):
    long = {"epochs": 100, "tiles_per_epoch": 8, "batch_size": 4}
    student = {**FIELDS["student"], "training": long}
    student["distillation"] = {"cache_views": 1}
    stages = by_name(planned_stages(context(student=student), None, SPEED))
    assert works(stages["student"])["teacher's logits"] == 12
    assert works(stages["student"])["student"] == pytest.approx(
        (3 * 800 + 400) * 0.5 + forecast._COMPILE
    )


def test_means_over_flips_and_turns_take_eight_passes_at_any_price(context):
    short = {"epochs": 2, "tiles_per_epoch": 8, "batch_size": 4}
    student = {**FIELDS["student"], "training": short}
    student["distillation"] = {"cache_views": 1, "cache_averaged": True}
    stages = by_name(planned_stages(context(student=student), None, SPEED))
    assert works(stages["student"])["teacher's logits"] == 8 * 12


def test_files_are_those_that_the_run_makes(context):
    for fields in ({}, {"baselines": True}, {"export": {"onnx": False}}):
        planned = context(**fields)
        stages = by_name(planned_stages(planned, None, SPEED))
        for file in files_to_make(planned.run):
            assert file.file_name in stages["export"].does
            # 4 tiles of the test image, as slow as measuring is taken to be.
            label = f"quality of {file.file_name}"
            assert works(stages["measuring"])[label] >= 4 * 0.5
    assert {"masks only", "no teacher"} <= set(
        by_name(planned_stages(context(baselines=True), None, SPEED))
    )


def test_baselines_train_for_as_long_as_the_models(context):
    stages = by_name(planned_stages(context(baselines=True), None, SPEED))
    teacher, student = stages["teacher"].seconds, stages["student"].seconds
    assert works(stages["masks only"])["baseline"] == student
    assert works(stages["no teacher"])["baseline"] == teacher + student


def test_stages_that_are_done_take_no_time(context):
    begun = context()
    (begun.run.stage("teacher")).mkdir(parents=True)
    (begun.run.stage("teacher") / "record.json").touch()
    stages = by_name(planned_stages(begun, None, SPEED))
    assert stages["teacher"].seconds == 0
    assert stages["student"].seconds > 0
    lines = plan_lines(begun, list(stages.values()))
    assert any(line.split()[:2] == ["teacher", "done"] for line in lines)


def test_other_programs_slow_down_what_was_not_timed(context):
    alone = by_name(planned_stages(context(), None, Speed(1.0, 0.5)))
    beside = by_name(planned_stages(context(), None, Speed(1.0, 0.5, 3.0)))
    assert beside["export"].seconds == pytest.approx(3 * alone["export"].seconds)


def test_a_way_is_named_to_make_the_longest_stage_shorter(context):
    stages = planned_stages(context(baselines=True), None, SPEED)
    last = plan_lines(context(baselines=True), stages)[-1]
    assert last.startswith("To make it shorter: --no-baselines")
    last = plan_lines(context(), planned_stages(context(), None, SPEED))[-1]
    assert "--set teacher.training.epochs=2" in last


def test_a_pruned_student_is_taken_to_cost_what_it_keeps(context, monkeypatch):
    monkeypatch.setattr(forecast, "forward_seconds", lambda model, tile_px: (2.0, 1.5))
    assert measured_speed(context(), None) == Speed(2.0, 1.0, 1.5)
    compact = context(student={"kind": "compact"})
    assert measured_speed(compact, None) == Speed(2.0, 2.0, 1.5)


def test_larger_models_take_longer():
    def model(filters):
        image = keras.Input((64, 64, 3))
        inner = keras.layers.Conv2D(filters, 5, padding="same")(image)
        inner = keras.layers.Conv2D(filters, 5, padding="same")(inner)
        return keras.Model(image, inner)

    (small, _), (large, slowdown) = (forward_seconds(model(n), 64) for n in (1, 96))
    assert 0 < small < large
    assert slowdown >= 1


def test_nothing_is_announced_where_all_is_done(context, monkeypatch):
    class Heard(SilentProgress):
        def __init__(self):
            self.lines = []

        def say(self, text):
            self.lines.append(text)

    monkeypatch.setattr(forecast, "measured_speed", lambda *given: SPEED)
    heard = Heard()
    begun = Context(context().recipe, context().dataset, context().folder, heard)
    assert isinstance(announce(begun, None), TimeLeft)
    assert heard.lines[0] == f"Plan of {begun.folder}:"
    heard.lines.clear()
    monkeypatch.setattr(
        forecast,
        "planned_stages",
        lambda *given: [forecast.Stage("teacher", "unet")],
    )
    assert announce(begun, None) is heard
    assert heard.lines == []
