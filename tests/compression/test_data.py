"""The data of a run, and models held against it."""

import dataclasses

import keras
import pytest

from segshrink.compression import data
from segshrink.compression.data import (
    open_recipe_data,
    require_fit,
)
from segshrink.data import Split
from segshrink.errors import ModelError
from segshrink.progress import SilentProgress
from segshrink.recipe import Recipe, parse_recipe


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
        f"{tmp_path / 'm.keras'}: predicts (None, 32, 32, 4), but drawn needs logits "
        "(None, 32, 32, 3) for grass, water, road."
    )
    require_fit(_model(32, 3), tmp_path / "m.keras", tiny_dataset, 32)


def test_notices_and_split_of_the_data_are_reported(tiny_dataset, monkeypatch):
    class Heard(SilentProgress):
        lines: list[str] = []

        def say(self, text):
            self.lines.append(text)

    split = Split("file by_hand.json", tuple("abcdefgh"), ("i",), ("j",))
    dataset = dataclasses.replace(tiny_dataset, split=split, notices=("Grey images.",))
    monkeypatch.setattr(data, "open_dataset", lambda *a, **options: dataset)
    assert open_recipe_data(Recipe(), Heard()) is dataset
    assert Heard.lines == [
        "Grey images.",
        "Split by scene, from file by_hand.json:",
        "  train: 3 images of a, b, c, d, e, f and 2 more",
        "  val: 1 images of i",
        "  test: 1 images of j",
    ]


def test_unlabelled_images_are_opened_and_counted():
    heard = []

    class Heard(SilentProgress):
        def say(self, text):
            heard.append(text)

    recipe = parse_recipe(
        {"data": {"scenes": 3, "scene_px": 64, "unlabelled": "synthetic:7"}}
    )
    assert len(open_recipe_data(recipe, Heard()).unlabelled) == 7
    assert heard[-1] == "  unlabelled: 7 images"
