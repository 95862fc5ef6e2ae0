"""compress() and the verbs of single stages."""

import dataclasses
import os

import keras
import pytest
from PIL import Image

from segshrink.compression import data, pipeline
from segshrink.compression.pipeline import (
    compress,
    require_distillable,
    require_trainable,
    train_teacher,
)
from segshrink.compression.run_folder import open_run
from segshrink.compression.teacher import untrained_teacher
from segshrink.data import open_dataset
from segshrink.errors import (
    DatasetError,
    ModelError,
    RecipeError,
    RunFolderError,
    UsageError,
)
from segshrink.recipe import Recipe, parse_recipe
from segshrink.records.measurement import Role
from segshrink.records.stage import StageRecord


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"data": {"tile_px": 96}, "teacher": {"model": {"levels": 6}}}, "divisible"),
        (
            {
                "data": {"tile_px": 96},
                "teacher": {"training": {"loss": {"class_weights": [1, 2, 3]}}},
                "student": {"kind": "compact", "model": {"stem_stride": 4}},
            },
            None,
        ),
        (
            {"student": {"training": {"loss": {"class_weights": [1, 2]}}}},
            "for each of the 3 classes",
        ),
        (
            {"teacher": {"training": {"loss": {"class_weights": [1, 2, 3, 4]}}}},
            "for each of the 3 classes",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_found_before_training(tiny_dataset, fields, message):
    recipe = parse_recipe(fields)
    if message is None:
        require_trainable(recipe, tiny_dataset)
    else:
        with pytest.raises(RecipeError, match=message):
            require_trainable(recipe, tiny_dataset)


@pytest.mark.parametrize("option", ["unlabelled_share", "pseudo_threshold"])
def test_options_of_images_without_labels_are_refused_before_training(
    tiny_dataset, option
):
    recipe = parse_recipe({"student": {"distillation": {option: 0.5}}})
    with pytest.raises(RecipeError, match=f"{option}: no effect without images"):
        require_distillable(recipe, tiny_dataset, None)
    require_distillable(parse_recipe({}), tiny_dataset, None)


@pytest.mark.parametrize("kind", ["pruned", "compact"])
@pytest.mark.parametrize("is_given", [True, False])
def test_feature_maps_that_no_model_has_are_refused_before_training(
    tiny_dataset, tmp_path, kind, is_given
):
    fields = {
        "data": {"tile_px": 64},
        "teacher": {"model": {"base_filters": 8, "levels": 2}},
        "student": {
            "kind": kind,
            "distillation": {
                "losses": {"attention_transfer": 1.0},
                "layers": ["nosuch"],
            },
        },
    }
    recipe, file = parse_recipe(fields), None
    if is_given:
        file = tmp_path / "teacher.keras"
        untrained_teacher(recipe, tiny_dataset).save(file)
    with pytest.raises(RecipeError, match=r"distillation.layers: .*'nosuch'"):
        require_distillable(recipe, tiny_dataset, file)
    fields["student"]["distillation"]["layers"] = ["bottleneck"]
    require_distillable(parse_recipe(fields), tiny_dataset, file)


def test_a_criterion_that_does_not_fit_the_teacher_is_refused_before_training(
    tiny_dataset, tmp_path
):
    recipe = parse_recipe({"student": {"pruning": {"criterion": "slimming"}}})
    image = keras.Input((256, 256, 3))
    features = keras.layers.Conv2D(32, 3, padding="same", activation="relu")(image)
    logits = keras.layers.Conv2D(tiny_dataset.classes.num_classes, 1)(features)
    file = tmp_path / "plain.keras"
    keras.Model(image, logits).save(file)
    with pytest.raises(UsageError, match="slimming needs a normalization"):
        require_distillable(recipe, tiny_dataset, file)


def test_what_is_said_of_a_file_needs_one(tmp_path):
    recipe = parse_recipe({"teacher": {"head": "1"}})
    with pytest.raises(RecipeError, match="no effect without teacher.file"):
        train_teacher(recipe, tmp_path / "out")
    recipe = parse_recipe(
        {
            "teacher": {"file": str(tmp_path / "t.onnx")},
            "student": {"kind": "compact", "architecture": "model.py"},
        }
    )
    with pytest.raises(RecipeError, match="only distill takes the student from a"):
        compress(recipe, tmp_path / "out")


@pytest.mark.parametrize("empty", ["val", "test"])
def test_part_without_a_single_label_is_found_before_training(
    tiny_dataset, tmp_path, monkeypatch, empty
):
    part = _all_void(getattr(tiny_dataset, empty))
    spoilt = dataclasses.replace(tiny_dataset, **{empty: part})
    monkeypatch.setattr(data, "open_dataset", lambda *a, **options: spoilt)
    recipe = parse_recipe(
        {"data": {"tile_px": 32}, "teacher": {"model": {"levels": 1}}}
    )
    with pytest.raises(DatasetError, match=f"the {empty} part .*no pixel has a class"):
        compress(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def _all_void(part):
    class Void(type(part[0])):
        def read(self):
            image, labels = super().read()
            return image, labels * 0 + 255

    image = Void(**dataclasses.asdict(part[0]))
    return type(part)(part.name, [image], part.classes)


def test_teacher_verb_refuses_a_trained_file(tmp_path):
    recipe = parse_recipe({"teacher": {"file": "t.keras"}})
    with pytest.raises(RecipeError, match="t.keras is trained already"):
        train_teacher(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unlabelled_images_have_no_effect_on_a_teacher(tmp_path):
    recipe = parse_recipe({"data": {"unlabelled": "synthetic:3"}})
    with pytest.raises(RecipeError, match=r"data.unlabelled .*no effect on a teacher"):
        train_teacher(recipe, tmp_path / "out")


def test_copies_of_test_images_are_refused_before_anything_is_written(tmp_path):
    data = {"scenes": 3, "scene_px": 64, "tile_px": 32}
    test = open_dataset("synthetic", scenes=3, scene_px=64).test[0]
    (tmp_path / "more").mkdir()
    Image.fromarray(test.read()[0]).save(tmp_path / "more" / "copy.png")
    recipe = parse_recipe(
        {"data": {**data, "unlabelled": str(tmp_path / "more")},
         "teacher": {"model": {"levels": 1}}}
    )  # fmt: skip
    with pytest.raises(DatasetError, match=r"copy.png is scene-002/view of the test"):
        compress(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_report_is_written_where_a_record_is_newer(tmp_path, tiny_dataset):
    run = open_run(tmp_path / "run", Recipe(), "test", tiny_dataset)
    record = run.measurements / "a.json"
    for path in (record, run.report):
        path.parent.mkdir(parents=True)
    record.touch()
    assert not pipeline._report_is_current(run)
    run.report.touch()
    os.utime(record, ns=(1, 10**9))
    os.utime(run.report, ns=(1, 10**9))
    assert pipeline._report_is_current(run)
    os.utime(record, ns=(1, 10**9 + 1))
    assert not pipeline._report_is_current(run)


def test_faults_of_recipe_and_data_leave_no_folder(tmp_path):
    data = {"scenes": 3, "scene_px": 64, "tile_px": 32}
    for fields in (
        {"data": {"source": str(tmp_path / "none")}},
        {"data": data | {"split": str(tmp_path / "none.json")}},
        {"data": data, "teacher": {"file": str(tmp_path / "none.keras")}},
        {"data": data, "teacher": {"model": {"levels": 6}}},
    ):
        with pytest.raises((DatasetError, ModelError, RecipeError)):
            compress(parse_recipe(fields), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_student_takes_no_teacher(tmp_path, monkeypatch):
    recipe = parse_recipe({"data": {"scenes": 3, "scene_px": 64, "tile_px": 32}})
    dataset = open_dataset("synthetic", scenes=3, scene_px=64)
    open_run(tmp_path, recipe, "test", dataset)
    record = StageRecord(kind=Role.STUDENT, parameters=1, macs=1, seed=0)
    record.write(tmp_path / "record.json")
    monkeypatch.setattr(pipeline, "require_trainable", lambda *arguments: None)
    with pytest.raises(RunFolderError, match="holds a student, not a teacher"):
        train_teacher(recipe, tmp_path)
