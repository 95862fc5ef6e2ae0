"""The work of one trial, in the process of the test."""

import csv
import json
import time
from pathlib import Path

import keras
import pytest

from segshrink.compression.context import Context
from segshrink.compression.student import untrained_student
from segshrink.compression.teacher import untrained_teacher
from segshrink.data import open_dataset
from segshrink.formats import Format, Precision
from segshrink.models import load_model, save_model
from segshrink.recipe import ExportSettings, parse_recipe, recipe_yaml
from segshrink.records import write_text
from segshrink.records.trial import Job, Permission, Probe, Result
from segshrink.runtimes import gives_classes, load_artifact
from segshrink.search.between_trials import Kept
from segshrink.search.processes import LocalWorkers, group_here
from segshrink.search.trial import _shared_logits, measured_format, run_trial

SMALL = {
    "seed": 3,
    "data": {"scenes": 3, "scene_px": 64, "tile_px": 32},
    "teacher": {"model": {"base_filters": 4, "levels": 1}},
    "student": {
        "pruning": {"keep": 0.5, "recovery": "none"},
        "training": {"epochs": 1, "tiles_per_epoch": 4, "batch_size": 4},
    },
    "export": {"int8": False, "onnx": False},
}


@pytest.mark.parametrize(
    ("export", "expected"),
    [
        ({}, (Format.LITERT, Precision.INT8)),
        ({"int8": False}, (Format.LITERT, Precision.FLOAT32)),
        ({"int8": False, "litert": False}, (Format.ONNX, Precision.FLOAT32)),
    ],
)
def test_the_smallest_file_that_the_recipe_makes_is_measured(export, expected):
    assert measured_format(ExportSettings(**export)) == expected


def logits(photometric=0.2, **distillation):
    student = {
        "distillation": distillation,
        "training": {"augmentation": {"photometric": photometric}},
    }
    return _shared_logits(parse_recipe({"student": student}), Path("logits"))


def test_trials_share_logits_unless_they_need_others():
    # Folders of searches that are resumed have this name.
    assert logits(cache_views=1).name == "738466dc407d"
    assert logits(cache_views=1) == logits(photometric=0)
    assert logits() == logits(losses={"pixel_kl": 2.0}, temperature=3.0)
    strides = {logits(cache_stride=stride) for stride in (None, 1, 2, 4)}
    assert len(strides) == 4
    assert logits() != logits(photometric=0.4)
    others = [
        logits(cache_views=2),
        logits(cache_views=2, photometric=0.4),
        logits(cache_averaged=True),
        logits(cache_mb=5.0),
    ]
    assert len({logits(), *others}) == 5


@pytest.fixture
def prepared(tmp_path):
    """Folder of a trial with a recipe, and an untrained teacher beside it."""
    recipe = parse_recipe(SMALL)
    data = recipe.data
    dataset = open_dataset("synthetic", scenes=data.scenes, scene_px=data.scene_px)
    keras.utils.set_random_seed(0)
    teacher = tmp_path / "teacher" / "model.keras"
    save_model(untrained_teacher(recipe, dataset), teacher)
    folder = tmp_path / "trials" / "000"
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(recipe_yaml(recipe))
    return Context(recipe, dataset, folder), teacher


@pytest.mark.training
def test_a_trial_leaves_the_probe_and_the_result_of_its_file(prepared):
    context, teacher = prepared
    folder = context.folder
    shared = teacher.parent / "logits"
    job = Job(of="student", teacher=str(teacher), logits=str(shared), probe=True)
    job.write(folder / "job.json")
    # The permission is there already, so that the trial does not wait.
    Permission(size_bytes=1).write(folder / "go.json")
    run_trial(folder, Kept())
    untrained = untrained_student(context, load_model(teacher), folder / "again")
    probe, result = (
        Probe.read(folder / "probe.json"),
        Result.read(folder / "result.json"),
    )
    assert probe.file == "probe.tflite"
    assert probe.parameters == result.parameters == untrained.count_params()
    assert probe.size_bytes == (folder / probe.file).stat().st_size
    assert result.file == "student.tflite"
    assert result.size_bytes == (folder / result.file).stat().st_size
    assert 0 <= result.miou <= 1 and result.val_loss > 0 and result.remedy is None
    assert list(shared.glob("*/about.json")) == [
        _shared_logits(context.recipe, shared) / "about.json"
    ]
    assert len((folder / "history.csv").read_text().splitlines()) == 2
    assert not (folder / "checkpoint").exists()
    assert set(json.loads((folder / "result.json").read_text())) == {
        "miou", "val_loss", "macs", "parameters", "file", "size_bytes", "remedy",
    }  # fmt: skip


@pytest.mark.training
def test_a_process_that_had_other_trials_gives_what_a_fresh_one_gives(prepared):
    context, teacher = prepared
    trials = context.folder.parent
    workers = LocalWorkers(1)
    compact = {"kind": "compact", "training": SMALL["student"]["training"]}
    pruned = SMALL["student"]
    export = {"onnx": False, "calibration_tiles": 4, "max_drop": 100.0}
    export["output"] = "classes"
    for name, student in (("fresh", compact), ("other", pruned), ("again", compact)):
        recipe = parse_recipe(SMALL | {"student": student, "export": export})
        write_text(trials / name / "recipe.yaml", recipe_yaml(recipe))
        # Each fills the cache of logits itself, as the first trial of a search does.
        logits = teacher.parent / f"logits of {name}"
        Job(teacher=str(teacher), logits=str(logits)).write(trials / name / "job.json")
        handle = workers.start(trials / name, 0)
        while handle.poll() is None:
            time.sleep(0.05)
        assert handle.poll() == 0
    assert group_here(trials / "fresh") == group_here(trials / "again")
    workers.close()
    fresh, again = trials / "fresh", trials / "again"
    assert (fresh / "result.json").read_text() == (again / "result.json").read_text()
    file = "student.tflite"
    assert (fresh / file).read_bytes() == (again / file).read_bytes()
    assert gives_classes(load_artifact(fresh / file))
    assert _without_seconds(fresh) == _without_seconds(again)
    assert _without_seconds(fresh) != _without_seconds(trials / "other")


def _without_seconds(folder):
    with (folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key: row[key] for key in row if key != "seconds"} for row in rows]
