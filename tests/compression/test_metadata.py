"""Metadata of exported files, and the split that a file was trained under."""

from pathlib import Path

import keras
import pytest

from segshrink.compression.metadata import (
    file_metadata,
    other_split,
)
from segshrink.compression.run_folder import open_run
from segshrink.formats import Precision
from segshrink.recipe import Recipe


@pytest.fixture
def model():
    image = keras.Input((32, 48, 3))
    return keras.Model(image, keras.layers.Conv2D(3, 1)(image))


def test_a_file_carries_its_model_and_its_data(model, divided):
    dataset = divided(train=[0, 1], val=[2], test=[3])
    alone = file_metadata(model, Precision.FLOAT16)
    assert alone.input.height == 32 and alone.input.width == 48
    assert alone.precision == "float16"
    assert alone.model.parameters == 12 and alone.model.macs == 32 * 48 * 9
    assert alone.data is None and "classes" not in alone.as_plain()
    whole = file_metadata(model, Precision.INT8, dataset)
    assert [each.name for each in whole.classes] == list(dataset.classes.names)
    assert whole.data.scenes["train"] == "scene-000, scene-001"


def test_a_file_trained_under_another_split_gets_a_warning(model, divided):
    trained = divided(train=[0, 1], val=[2], test=[3])
    metadata = file_metadata(model, Precision.INT8, trained)
    path = Path("m.tflite")
    same = divided(train=[1, 0], val=[2], test=[3])
    assert other_split(path, metadata, same) is None
    warning = other_split(path, metadata, divided(train=[3, 1], val=[2], test=[0]))
    assert warning == (
        "m.tflite: was trained under another split (file split.json: trained on "
        "scene-000, scene-001) than this (file split.json: trained on scene-001, "
        "scene-003), so that it may know these images. Name its split with --split or "
        "--split-seed, or its run folder as the data."
    )
    # Files of another data set are not compared.
    elsewhere = metadata.data.model_copy(update={"name": "elsewhere"})
    metadata = metadata.model_copy(update={"data": elsewhere})
    assert other_split(path, metadata, divided(train=[3], val=[2], test=[0])) is None
    assert other_split(path, None, trained) is None


def test_the_split_of_a_keras_model_is_read_from_its_run_folder(tmp_path, divided):
    run = open_run(
        tmp_path / "run", Recipe(), "", divided(train=[0, 1], val=[2], test=[3])
    )
    again, other = (
        divided(train=train, val=[2], test=[3]) for train in ([0, 1], [0, 4])
    )
    for path in (run.student, run.folder / "model.keras"):
        assert other_split(path, None, again) is None
        assert "trained on scene-000, scene-001" in other_split(path, None, other)
