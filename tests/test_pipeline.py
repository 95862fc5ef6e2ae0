"""The stages of a run: done once, checked before they begin."""

import dataclasses
import os

import keras
import pytest

from segshrink import pipeline
from segshrink.data import Split, open_dataset
from segshrink.errors import DatasetError, ModelError, RecipeError, RunFolderError
from segshrink.pipeline import (
    compress,
    make_teacher,
    open_recipe_data,
    require_fit,
    require_trainable,
    train_teacher,
)
from segshrink.progress import SilentProgress
from segshrink.recipe import Recipe, parse_recipe
from segshrink.run_folder import open_run


def _model(side_px: int = 32, num_classes: int = 3) -> keras.Model:
    image = keras.Input((side_px, side_px, 3))
    inner = keras.layers.Conv2D(4, 1, name="inner")(image)
    return keras.Model(image, keras.layers.Conv2D(num_classes, 1)(inner))


def test_model_must_take_the_tiles(tiny_dataset, tmp_path):
    with pytest.raises(ModelError) as caught:
        require_fit(_model(64), tmp_path / "m.keras", tiny_dataset, 32)
    assert str(caught.value) == (
        f"{tmp_path / 'm.keras'}: takes images (None, 64, 64, 3), but tiles are "
        "(None, 32, 32, 3). Set data.tile_px in the recipe to the model's size."
    )


def test_model_must_give_the_classes(tiny_dataset, tmp_path):
    with pytest.raises(ModelError) as caught:
        require_fit(_model(32, 4), tmp_path / "m.keras", tiny_dataset, 32)
    assert str(caught.value) == (
        f"{tmp_path / 'm.keras'}: gives (None, 32, 32, 4), but drawn needs logits "
        "(None, 32, 32, 3) for grass, water, road."
    )
    require_fit(_model(32, 3), tmp_path / "m.keras", tiny_dataset, 32)


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


@pytest.mark.parametrize("empty", ["val", "test"])
def test_part_without_a_single_label_is_found_before_training(
    tiny_dataset, tmp_path, monkeypatch, empty
):
    part = _all_void(getattr(tiny_dataset, empty))
    spoilt = dataclasses.replace(tiny_dataset, **{empty: part})
    monkeypatch.setattr(pipeline, "open_dataset", lambda *a, **options: spoilt)
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


def test_data_tells_its_notices_and_its_split(tiny_dataset, monkeypatch):
    class Heard(SilentProgress):
        lines: list[str] = []

        def say(self, text):
            self.lines.append(text)

    split = Split("file by_hand.json", tuple("abcdefgh"), ("i",), ("j",))
    dataset = dataclasses.replace(tiny_dataset, split=split, notices=("Grey images.",))
    monkeypatch.setattr(pipeline, "open_dataset", lambda *a, **options: dataset)
    assert open_recipe_data(Recipe(), Heard()) is dataset
    assert Heard.lines == [
        "Grey images.",
        "Split by scene, from file by_hand.json:",
        "  train: 3 images of a, b, c, d, e, f and 2 more",
        "  val: 1 images of i",
        "  test: 1 images of j",
    ]


def test_teacher_file_is_copied_byte_by_byte(tiny_dataset, tmp_path):
    file = tmp_path / "mine.keras"
    _model().save(file)
    record = make_teacher(
        Recipe(seed=7), tiny_dataset, tmp_path / "teacher", file, SilentProgress()
    )
    copy = tmp_path / "teacher" / "model.keras"
    assert copy.read_bytes() == file.read_bytes()
    assert record["taken_from"] == "mine.keras"
    assert record["parameters"] == 16 + 15
    assert record["macs"] == 32 * 32 * (3 * 4 + 4 * 3)
    assert record["seed"] == 7


def test_teacher_verb_refuses_a_trained_file(tmp_path):
    recipe = parse_recipe({"teacher": {"file": "t.keras"}})
    with pytest.raises(RecipeError, match="t.keras is trained already"):
        train_teacher(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


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
    (tmp_path / "record.json").write_text('{"kind": "student"}')
    monkeypatch.setattr(pipeline, "require_trainable", lambda *arguments: None)
    with pytest.raises(RunFolderError, match="holds a student, not a teacher"):
        train_teacher(recipe, tmp_path)


def test_public_name_is_the_pipeline():
    import segshrink

    assert segshrink.compress is compress
    with pytest.raises(AttributeError, match="no attribute 'shrink'"):
        _ = segshrink.shrink
