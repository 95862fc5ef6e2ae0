"""A teacher that is taken from a file."""

from dataclasses import dataclass, replace

import keras
import numpy as np
import pytest

from segshrink.compression.context import Context
from segshrink.compression.given_model import open_given_model
from segshrink.compression.run_folder import open_run
from segshrink.compression.stage import versions
from segshrink.compression.teacher import checked_teacher_file, make_teacher
from segshrink.data import AnnotatedImage, Classes, Dataset, Part, Split
from segshrink.errors import ModelError, RecipeError, RunFolderError
from segshrink.progress import SilentProgress
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


def test_a_pruned_students_teacher_has_the_datas_order_of_classes(
    tiny_dataset, tmp_path
):
    open_run(tmp_path / "run", Recipe(), versions(), tiny_dataset)
    file = tmp_path / "run" / "teacher" / "model.keras"
    file.parent.mkdir(parents=True)
    _model().save(file)
    recipe = Recipe.model_validate(
        {"data": {"tile_px": 32}, "teacher": {"file": str(file)}}
    )
    assert checked_teacher_file(recipe, tiny_dataset) == file
    names = tiny_dataset.classes.names[::-1]
    classes = replace(tiny_dataset.classes, names=names)
    with pytest.raises(ModelError, match="have the order .* List them alike"):
        checked_teacher_file(recipe, replace(tiny_dataset, classes=classes))
    classes = replace(tiny_dataset.classes, names=("x", "y", "z"))
    with pytest.raises(ModelError, match="has other classes"):
        checked_teacher_file(recipe, replace(tiny_dataset, classes=classes))


@dataclass(frozen=True, kw_only=True)
class Lit(AnnotatedImage):
    """An image that is white where the foreground is, which has the index given."""

    foreground: int

    def read(self):
        random = np.random.default_rng(int(self.scene))
        is_lit = np.kron(random.random((4, 4)) < 0.4, np.ones((8, 8))) > 0
        image = np.where(is_lit, 255, 0).astype(np.uint8)
        labels = np.where(is_lit, self.foreground, 1 - self.foreground)
        return np.repeat(image[..., None], 3, 2), labels.astype(np.uint8)


@pytest.mark.parametrize("foreground", [0, 1])
def test_a_single_channel_is_the_second_class(tmp_path, foreground):
    classes = Classes(names=("a", "b"), colors=((0, 0, 0), (1, 1, 1)))
    parts = [
        Part(
            name,
            [
                Lit(
                    scene=f"{number}", name=f"{number}/view", height_px=32,
                    width_px=32, foreground=foreground,
                )
            ],
            classes,
        )
        for number, name in enumerate(("train", "val", "test"))
    ]  # fmt: skip
    split = Split("lit", *(part.scenes for part in parts))
    dataset = Dataset("lit", classes, *parts, split)
    image = keras.Input((32, 32, 3))
    layer = keras.layers.Conv2D(1, 1, activation="sigmoid")
    logit = layer(keras.layers.Rescaling(1 / 32, -4)(image))
    layer.set_weights([np.float32([[[[1], [0], [0]]]]), np.float32([0])])
    keras.Model(image, logit).save(tmp_path / "lit.keras")
    arguments = (tmp_path / "lit.keras", SilentProgress())
    if foreground == 1:
        open_given_model(*arguments, dataset=dataset)
    else:
        message = (
            r"taken for b, .* fits a better: .* 0\.00, .* exchanged 1\.00\. List b"
        )
        with pytest.raises(ModelError, match=message):
            open_given_model(*arguments, dataset=dataset)
