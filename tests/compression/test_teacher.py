"""A teacher that is taken from a file."""

import keras
import pytest

from segshrink.compression.context import Context
from segshrink.compression.teacher import checked_teacher_file, make_teacher
from segshrink.errors import RecipeError, RunFolderError
from segshrink.recipe import Recipe
from segshrink.records.stage import TakenRecord


def _model(side_px: int = 32, num_classes: int = 3) -> keras.Model:
    image = keras.Input((side_px, side_px, 3))
    inner = keras.layers.Conv2D(4, 1, name="inner")(image)
    return keras.Model(image, keras.layers.Conv2D(num_classes, 1)(inner))


def test_teacher_file_is_copied_byte_by_byte(tiny_dataset, tmp_path):
    file = tmp_path / "mine.keras"
    _model().save(file)
    context = Context(Recipe(seed=7), tiny_dataset, tmp_path)
    make_teacher(context, tmp_path / "teacher", file)
    copy = tmp_path / "teacher" / "model.keras"
    assert copy.read_bytes() == file.read_bytes()
    record = TakenRecord.read(tmp_path / "teacher" / "record.json")
    assert record.taken_from == "mine.keras"
    assert record.parameters == 16 + 15
    assert record.macs == 32 * 32 * (3 * 4 + 4 * 3)
    assert record.seed == 7


def test_another_teacher_in_the_same_file_is_noticed(tiny_dataset, tmp_path):
    file = tmp_path / "mine.keras"
    _model().save(file)
    context = Context(Recipe(), tiny_dataset, tmp_path)
    make_teacher(context, tmp_path / "teacher", file)
    make_teacher(context, tmp_path / "teacher", file)
    _model().save(file)
    with pytest.raises(RunFolderError, match=r"mine.keras changed since then"):
        make_teacher(context, tmp_path / "teacher", file)


def test_another_architecture_of_the_same_weights_is_noticed(tiny_dataset, tmp_path):
    code, file = tmp_path / "model.py", tmp_path / "mine.weights.h5"
    code.write_text(
        "import keras\n"
        "def build():\n"
        "    image = keras.Input((32, 32, 3))\n"
        "    return keras.Model(image, keras.layers.Conv2D(3, 1)(image))\n"
    )
    image = keras.Input((32, 32, 3))
    keras.Model(image, keras.layers.Conv2D(3, 1)(image)).save_weights(file)
    teacher = {"file": str(file), "architecture": str(code)}
    recipe = Recipe.model_validate({"teacher": teacher})
    context = Context(recipe, tiny_dataset, tmp_path)
    make_teacher(context, tmp_path / "teacher", file)
    make_teacher(context, tmp_path / "teacher", file)
    code.write_text(code.read_text().replace("(image))", "(image), name='b')"))
    with pytest.raises(RunFolderError, match=r"model.py changed since then"):
        make_teacher(context, tmp_path / "teacher", file)


def test_a_search_takes_one_keras_model_only(tiny_dataset):
    recipe = Recipe.model_validate(
        {"teacher": {"file": ["a.keras", "b.onnx"]}, "student": {"kind": "compact"}}
    )
    with pytest.raises(
        RecipeError, match="must be one Keras model .* got a.keras, b.o"
    ):
        checked_teacher_file(recipe, tiny_dataset)
