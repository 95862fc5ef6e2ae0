"""Exports within a limit on the loss of mean IoU."""

from pathlib import Path

import keras
import numpy as np
import pytest

from quantization.networks import scaled_channels, two_convolutions
from segshrink.compression import accuracy_control
from segshrink.compression.accuracy_control import (
    AccuracyControl,
    ExportTask,
    checked_tiles,
    export_with_accuracy_control,
)
from segshrink.data import plain_tiles
from segshrink.errors import ExportError
from segshrink.export import read_metadata, with_input_size
from segshrink.formats import Precision
from segshrink.measuring.agreement import check_file
from segshrink.models import load_model
from segshrink.recipe import TrainingSettings
from segshrink.records.measurement import ClassColor
from segshrink.records.metadata import FileMetadata
from segshrink.training import TrainingContext, train

SETTINGS = TrainingSettings(
    epochs=8, tiles_per_epoch=24, batch_size=4, learning_rate=0.01
)
METADATA = FileMetadata(
    classes=[
        ClassColor(name=name, color=(10 * i, 0, 255))
        for i, name in enumerate(("grass", "water", "road"))
    ]
)


@pytest.fixture(scope="module")
def good(tiny_dataset, tmp_path_factory):
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("float")
    context = TrainingContext(dataset=tiny_dataset, folder=folder)
    train(two_convolutions(), SETTINGS, context)
    return load_model(folder / "model.keras")


@pytest.fixture(scope="module")
def hard(good):
    """The same function with channels of different scale, which int8 cannot keep."""
    return scaled_channels(good, 1000.0)


@pytest.fixture(scope="module")
def tiles(tiny_dataset):
    return plain_tiles(tiny_dataset.train, 32, 8)[0]


def export(model, path, dataset, tiles, control=None, **options):
    settings = {"precision": Precision.INT8, "metadata": METADATA} | options
    if not settings["precision"].is_calibrated:
        tiles = None
    task = ExportTask(model, path, dataset=dataset, tiles=tiles, **settings)
    return export_with_accuracy_control(task, control or AccuracyControl())


def test_a_file_that_loses_little_needs_no_remedy(good, tiny_dataset, tiles, tmp_path):
    path = tmp_path / "m.tflite"
    found = export(good, path, tiny_dataset, tiles)
    assert found.remedy is None and len(found.attempts) == 1
    expected = checked_tiles(good, tiny_dataset, 32, 32)
    again = check_file(path, expected, precision=Precision.INT8).as_plain()
    assert {key: found.as_plain()[key] for key in again} == pytest.approx(again)
    assert again["mean_iou"] == expected.mean_iou(expected.logits) - again["drop"] / 100
    metadata = read_metadata(path)
    assert metadata.classes == METADATA.classes
    assert metadata.checked.mean_iou == again["mean_iou"]
    assert metadata.checked.part == "val"


def test_checked_tiles_are_of_the_validation_part(good, tiny_dataset):
    expected = checked_tiles(good, tiny_dataset, 32, 24)
    assert expected.images.shape == (64, 32, 24, 3)
    assert expected.labels.shape == (64, 32, 24)
    whole, _ = tiny_dataset.val[0].read()
    windows = np.lib.stride_tricks.sliding_window_view(whole, (32, 24, 3))[:, :, 0]
    for tile in expected.images[:8]:
        assert (windows == tile).all(axis=(-3, -2, -1)).any()


def test_sensitive_layers_are_kept_in_float(hard, tiny_dataset, tiles, tmp_path):
    path = tmp_path / "m.tflite"
    said = []

    class Listening(accuracy_control.SilentProgress):
        def say(self, text):
            said.append(text)

    found = export(hard, path, tiny_dataset, tiles, progress=Listening())
    assert "second" in found.float_layers
    assert found.remedy.endswith("in float32")
    assert [x.remedy for x in found.attempts[:4]] == [
        None,
        "ranges of percentile 99.99",
        "ranges of percentile 99.99 over 32 tiles",
        "corrected biases",
    ]
    assert all(x.drop > 1 for x in found.attempts[:-1])
    assert found.drop <= 1
    assert len(said) == len(found.attempts) - 1
    assert "points of mean IoU" in said[0] and "more than 1" in said[0]
    assert read_metadata(path).checked.float_layers == found.float_layers


def test_training_for_int8_comes_last(hard, tiny_dataset, tiles, tmp_path, monkeypatch):
    monkeypatch.setattr(accuracy_control, "_MOST_IN_FLOAT", 0)
    path = tmp_path / "m.tflite"
    before = [v.copy() for v in hard.get_weights()]
    control = AccuracyControl(
        training=SETTINGS.model_copy(update={"learning_rate": 0.03}),
        epochs=16,
        folder=tmp_path / "int8",
        max_drop=2.0,
    )
    found = export(hard, path, tiny_dataset, tiles, control)
    assert found.remedy == "quantization-aware training"
    assert found.float_layers == () and found.drop <= 2
    assert (tmp_path / "int8" / "model.keras").is_file()
    assert not (tmp_path / "int8" / "checkpoint").exists()
    for old, new in zip(before, hard.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_loss_that_no_remedy_prevents_is_an_error_with_the_numbers(
    hard, tiny_dataset, tiles, tmp_path, monkeypatch
):
    monkeypatch.setattr(accuracy_control, "_MOST_IN_FLOAT", 0)
    path = tmp_path / "m.tflite"
    with pytest.raises(ExportError) as caught:
        export(hard, path, tiny_dataset, tiles, control=AccuracyControl(epochs=0))
    text = str(caught.value)
    assert "at most 1 points" in text and text.count("loses") == 4
    assert "corrected biases" in text and "--max-drop" in text
    assert list(tmp_path.iterdir()) == []


def test_models_of_oblong_images_are_not_trained_for_int8(
    hard, tiny_dataset, tiles, tmp_path, monkeypatch
):
    monkeypatch.setattr(accuracy_control, "_MOST_IN_FLOAT", 0)
    said = []

    class Listening(accuracy_control.SilentProgress):
        def say(self, text):
            said.append(text)

    listener = Listening()
    oblong = with_input_size(hard, 32, 16)
    images = np.ascontiguousarray(tiles[:, :, :16])
    path = tmp_path / "m.tflite"
    control = AccuracyControl(training=SETTINGS, epochs=1, max_drop=0.0)
    with pytest.raises(ExportError, match="as it is, it loses"):
        export(oblong, path, tiny_dataset, images, control, progress=listener)
    assert "square tiles, not 32 x 16" in said[-1] and not path.exists()


def test_the_best_file_is_kept_where_the_limit_is_not_required(
    hard, tiny_dataset, tiles, tmp_path, monkeypatch
):
    monkeypatch.setattr(accuracy_control, "_MOST_IN_FLOAT", 0)
    path = tmp_path / "m.tflite"
    control = AccuracyControl(is_required=False)
    found = export(hard, path, tiny_dataset, tiles, control)
    drops = [x.drop for x in found.attempts]
    assert found.drop == min(drops) > 1
    expected = checked_tiles(hard, tiny_dataset, 32, 32)
    assert check_file(path, expected, precision=Precision.INT8).drop == pytest.approx(
        found.drop
    )


def test_dynamic_files_have_a_limit_but_no_remedy(hard, tiny_dataset, tiles, tmp_path):
    path = tmp_path / "m.tflite"
    control = AccuracyControl(max_drop=0.0)
    with pytest.raises(ExportError, match="dynamic file must lose at most 0 points"):
        precision = Precision.DYNAMIC
        export(hard, path, tiny_dataset, tiles, control, precision=precision)
    assert not path.exists()


def test_float_file_that_differs_is_an_error(
    good, hard, tiny_dataset, tiles, tmp_path, monkeypatch
):
    other = two_convolutions()
    real = accuracy_control.export_model
    monkeypatch.setattr(
        accuracy_control,
        "export_model",
        lambda model, *rest, **kw: real(other, *rest, **kw),
    )
    path = Path(tmp_path / "m.tflite")
    with pytest.raises(ExportError, match=r"m.tflite: the file must predict") as caught:
        export(good, path, tiny_dataset, tiles, precision=Precision.FLOAT32)
    assert str(caught.value).startswith(str(path)) and not path.exists()
