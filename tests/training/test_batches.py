import threading
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from segshrink.data import TileSampler, TileSettings
from segshrink.errors import DatasetError
from segshrink.training.batches import TrainingBatches

from .runs import TILE_PX, small_settings

STEPS = 5


class NumberedTiles:
    """A sampler whose tiles say which epoch and step they are from."""

    steps_per_epoch = STEPS
    maps = None

    def batch(self, epoch, step):
        images = np.zeros((2, 4, 4, 3), np.uint8)
        images[..., 0], images[..., 1] = epoch, step
        return images, np.zeros((2, 4, 4), np.uint8)


class NumberedTilesWithMaps(NumberedTiles):
    """The same, with maps that say it too."""

    maps = SimpleNamespace(stride=2, channels=3, views=1)

    def batch_with_maps(self, epoch, step):
        images, labels = self.batch(epoch, step)
        return images, labels, images[:, ::2, ::2].astype(np.float16)


class Listening(keras.Model):
    """Records the batches that it is trained on."""

    def __init__(self):
        super().__init__()
        self.heard = []

    def train_step(self, data):
        images, labels = data
        assert tuple(labels.shape) == (2, 4, 4)
        parts = images.values() if isinstance(images, dict) else [images]
        (place,) = {(int(x[0, 0, 0, 0]), int(x[0, 0, 0, 1])) for x in parts}
        self.heard.append(place)
        return {"loss": 0.0}


def listened(batches, first_epoch=0):
    """The model that was trained on the batches of all epochs but the first ones."""
    model = Listening()
    model.compile(optimizer="sgd", run_eagerly=True)
    with batches:
        model.fit(
            batches.for_fit(),
            shuffle=False,
            initial_epoch=first_epoch,
            epochs=4,
            callbacks=[batches.epoch_setter()],
            verbose=0,
        )
    return model


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="its data set")
def test_no_thread_tunes_the_reading_and_has_to_be_waited_for():
    dataset = TrainingBatches(NumberedTiles()).for_fit()
    assert dataset.options().autotune.enabled is False
    assert int(dataset.cardinality()) == STEPS


@pytest.mark.parametrize("tiles", [NumberedTiles, NumberedTilesWithMaps])
@pytest.mark.parametrize("readers", [1, 3])
@pytest.mark.parametrize("first_epoch", [0, 2])
def test_every_batch_of_every_epoch_in_order(first_epoch, readers, tiles):
    before = threading.active_count()
    batches = TrainingBatches(tiles(), first_epoch=first_epoch, readers=readers)
    model = listened(batches, first_epoch)
    assert threading.active_count() == before
    epochs = range(first_epoch, 4)
    assert model.heard == [(epoch, step) for epoch in epochs for step in range(STEPS)]


class DamagedTiles(NumberedTiles):
    """The same, with a batch that cannot be decoded."""

    def batch(self, epoch, step):
        if (epoch, step) == (1, 3):
            raise DatasetError("third.png: is damaged")
        return super().batch(epoch, step)


@pytest.mark.parametrize("readers", [1, 3])
def test_a_damaged_image_is_named(readers):
    before = threading.active_count()
    with pytest.raises(DatasetError, match="third.png: is damaged"):
        listened(TrainingBatches(DamagedTiles(), readers=readers))
    assert threading.active_count() == before


class Brightness:
    """Maps of the images' first channel, a cell for each square of 4 pixels."""

    stride, channels, views = 4, 1, 1

    def __init__(self, part):
        self.part = part

    def get(self, index, view):
        return self.part[index].read()[0][::4, ::4, :1].astype(np.float32)

    def color_generator(self, index, view):
        return None


def sampler(dataset, maps=None):
    return TileSampler(
        dataset.train,
        TileSettings(
            tile_px=TILE_PX,
            batch_size=4,
            augmentation=small_settings().augmentation,
        ),
        seed=5,
        maps=maps,
    )


def in_fourth_epoch(tiles):
    batches = TrainingBatches(tiles)
    batches.epoch_setter().on_epoch_begin(3)
    return batches


def test_gives_what_the_sampler_gives(tiny_dataset):
    tiles = sampler(tiny_dataset)
    batches = in_fourth_epoch(tiles)
    assert len(batches) == tiles.steps_per_epoch == 3
    given = batches[2]
    assert isinstance(given, tuple)
    for ours, theirs in zip(given, tiles.batch(3, 2), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_gives_maps_as_the_logits_of_a_teacher(tiny_dataset):
    tiles = sampler(tiny_dataset, Brightness(tiny_dataset.train))
    batches = in_fourth_epoch(tiles)
    assert len(batches) == tiles.steps_per_epoch == 3
    inputs, labels = batches[2]
    assert set(inputs) == {"images", "teacher_logits"}
    ours = inputs["images"], labels, inputs["teacher_logits"]
    for one, other in zip(ours, tiles.batch_with_maps(3, 2), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
