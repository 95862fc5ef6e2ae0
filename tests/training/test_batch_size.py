"""Batches whose size a recipe leaves open."""

import keras
import numpy as np
import pytest
from keras import layers
from pydantic import ValidationError

from segshrink.distillation import distill
from segshrink.errors import RecipeError
from segshrink.progress import SilentProgress
from segshrink.recipe import DistillationSettings, TrainingSettings
from segshrink.training import TrainingContext, batch_size, settled, train
from segshrink.training.batch_size import validation_batch_size

from .runs import Interrupted, KillAfter, small_model, small_settings

AUTO = TrainingSettings(batch_size="auto", learning_rate=0.01)


@pytest.fixture
def accelerator(monkeypatch):
    """Stands for one with so many bytes of memory."""

    def present(memory: float) -> None:
        monkeypatch.setattr(batch_size, "has_accelerator", lambda: True)
        monkeypatch.setattr(batch_size, "_device_bytes", lambda: memory)

    return present


def test_a_number_stays_as_it_is(context):
    settings = TrainingSettings(batch_size=3)
    assert settled(settings, context, [small_model()]) is settings


def test_on_a_processor_it_is_8(context):
    found = settled(AUTO, context, [small_model()])
    assert (found.batch_size, found.learning_rate) == (8, 0.01)


def values_of_a_tile(model):
    return sum(np.prod(layer.output.shape[1:]) for layer in model.layers)


@pytest.mark.parametrize(("tiles", "expected"), [(1, 8), (8.1, 8), (31.9, 16)])
def test_maps_fill_a_third_of_the_memory(context, accelerator, tiles, expected):
    models = [small_model(), small_model(filters=8)]
    accelerator(3 * tiles * 4 * sum(map(values_of_a_tile, models)))
    found = settled(AUTO, context, models)
    assert found.batch_size == expected
    assert found.learning_rate == pytest.approx(0.01 * (expected / 8) ** 0.5)


def test_it_is_at_most_64(context, accelerator):
    accelerator(80e9)
    assert settled(AUTO, context, [small_model()]).batch_size == 64


def test_maps_of_nested_models_count(context, accelerator):
    inside = keras.Input((32, 32, 3))
    inner = keras.Model(inside, layers.Conv2D(64, 1)(inside))
    images = keras.Input((32, 32, 3))
    outer = keras.Model(images, inner(images))
    accelerator(3 * 16.1 * 4 * 32 * 32 * (3 + 3 + 64))
    assert settled(AUTO, context, [outer]).batch_size == 16


def test_a_model_whose_layers_are_hidden_gets_8(context, accelerator):
    accelerator(80e9)
    assert settled(AUTO, context, [keras.Model()]).batch_size == 8


class Heard(SilentProgress):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


def test_a_run_keeps_the_number_that_it_began_with(tmp_path, tiny_dataset, accelerator):
    """One that began on an accelerator goes on as if it were still there."""

    def run(folder, progress=None, **changes):
        context = TrainingContext(
            dataset=tiny_dataset, folder=tmp_path / folder, progress=progress or Heard()
        )
        model = small_model()
        result = train(model, small_settings(tiles_per_epoch=32, **changes), context)
        return model.get_weights(), result

    expected, _ = run("number", batch_size=16, learning_rate=0.01 * 2**0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_size, "has_accelerator", lambda: True)
        patch.setattr(batch_size, "_fitting", lambda models: 16)
        # Tiles are still cut on the host, and steps computed on the processor.
        with pytest.raises(Interrupted):
            run("auto", KillAfter(3), batch_size="auto")
    progress = Heard()
    weights, result = run("auto", progress, batch_size="auto")
    assert "training: batches of 16 tiles, learning rate 0.0141." in progress.lines
    assert result.tiles == 64
    for ours, theirs in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_distilled_student_has_one_too(context):
    settings = small_settings(epochs=1, batch_size="auto", tiles_per_epoch=16)
    result = distill(
        small_model(1),
        small_model(2),
        settings,
        DistillationSettings(losses={"pixel_kl": 1.0}, cache=False),
        context,
    )
    assert result.tiles == 16


def test_validation_takes_more_only_on_an_accelerator(accelerator):
    assert validation_batch_size(8) == 8
    accelerator(16e9)
    assert list(map(validation_batch_size, (8, 16, 64, 128))) == [32, 64, 64, 128]


@pytest.mark.parametrize("value", [0, -1, 2.5, "many", None, True])
def test_other_values_are_refused(value):
    with pytest.raises(ValidationError) as error:
        TrainingSettings(batch_size=value)
    assert error.value.error_count() == 1


def test_auto_must_be_settled_before_it_is_a_number():
    with pytest.raises(RecipeError, match="batch_size: auto depends on the models"):
        _ = AUTO.tiles_in_batch
