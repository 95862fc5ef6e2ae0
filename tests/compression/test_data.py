"""The data of a run, and models held against it."""

import dataclasses

import keras
import numpy as np
import pytest
from PIL import Image

from data import test_bands as banded
from segshrink.compression import data
from segshrink.compression.data import (
    open_recipe_data,
    require_fit,
)
from segshrink.data import Split
from segshrink.errors import DatasetError, ModelError
from segshrink.models import save_model
from segshrink.progress import SilentProgress
from segshrink.recipe import Recipe, parse_recipe
from segshrink.records.bands import Bands


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
        "  train: 3 images, 3 tiles of 256 px, 60% of the pixels: a, b, c, d, e, f "
        "and 2 more",
        "  val: 1 image, 1 tile of 256 px, 20% of the pixels: i",
        "  test: 1 image, 1 tile of 256 px, 20% of the pixels: j",
        "  Note: 5 of 5 images are smaller than a tile, the smallest 64 px on a side, "
        "and are padded. If most are, take smaller tiles (--set data.tile_px=64).",
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


def test_every_broken_file_is_named_before_anything_is_trained(tmp_path):
    for scene in "abc":
        for folder, channels in (("images", (3,)), ("masks", ())):
            path = tmp_path / scene / folder / "x.png"
            path.parent.mkdir(parents=True)
            pixels = np.random.default_rng(0).integers(0, 2, (40, 40, *channels))
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    for broken in ("a/images", "b/masks", "c/images"):
        path = tmp_path / broken / "x.png"
        path.write_bytes(path.read_bytes()[:-40])
    recipe = parse_recipe({"data": {"source": str(tmp_path)}})
    with pytest.raises(DatasetError) as caught:
        open_recipe_data(recipe, SilentProgress())
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}: 3 faults.\n")
    for broken in ("a/images", "b/masks", "c/images"):
        assert f"  {broken}/x.png: cannot be decoded" in message


def test_a_recipe_snaps_and_resizes_masks(tmp_path):
    for scene in "abc":
        labels = np.zeros((32, 32), np.uint8)
        labels[4:24, 9:] = 255
        for folder, pixels in (
            ("images", np.zeros((64, 64, 3), np.uint8)),
            ("masks", labels),
        ):
            path = tmp_path / scene / folder / "x.jpg"
            path.parent.mkdir(parents=True)
            Image.fromarray(pixels).save(path, quality=60)
    section = {"source": str(tmp_path), "snap_colors": True, "resize_masks": True}
    dataset = open_recipe_data(parse_recipe({"data": section}), SilentProgress())
    _, found = dataset.train[0].read()
    expected = np.zeros((64, 64), np.uint8)
    expected[8:48, 18:] = 1
    np.testing.assert_array_equal(found, expected)


def _four_bands(path, scale):
    image = keras.Input((32, 32, 4))
    model = keras.Model(image, keras.layers.Conv2D(6, 1)(image))
    bands = Bands(use=(1, 2, 3, 4), scale=((0, scale),) * 4)
    save_model(model, path, bands=bands)
    return bands


def test_data_are_read_with_the_grey_levels_of_the_teacher(tmp_path):
    root = banded.folder(tmp_path / "data", banded.four("uint16", 4))
    bands = _four_bands(tmp_path / "t.keras", 20000)
    recipe = parse_recipe(
        {"data": {"source": str(root)}, "teacher": {"file": str(tmp_path / "t.keras")}}
    )
    dataset = open_recipe_data(recipe, SilentProgress())
    assert dataset.train.bands == dataset.test.bands == bands
    assert any("Grey levels are those of the teacher" in x for x in dataset.notices)
    # The teachers of `distill` are no fields of a recipe.
    alone = parse_recipe({"data": {"source": str(root)}})
    assert open_recipe_data(alone, SilentProgress()).train.bands != bands
    taught = open_recipe_data(alone, SilentProgress(), [tmp_path / "t.keras"])
    assert taught.train.bands == bands


def test_teachers_of_different_grey_levels_are_refused(tmp_path):
    root = banded.folder(tmp_path / "data", banded.four("uint16", 4))
    files = [str(tmp_path / f"{scale}.keras") for scale in (1000, 2000)]
    for scale, file in zip((1000, 2000), files, strict=True):
        _four_bands(file, scale)
    recipe = parse_recipe(
        {
            "data": {"source": str(root)},
            "teacher": {"file": files},
            "student": {"kind": "compact"},
        }
    )
    with pytest.raises(
        ModelError, match="different bands or grey levels:\n.*0 to 1000"
    ):
        open_recipe_data(recipe, SilentProgress())
