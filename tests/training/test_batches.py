import keras
import numpy as np
import pytest

from segshrink.data import TileSampler
from segshrink.training.batches import TrainingBatches

from .runs import TILE_PX, small_settings

STEPS = 5


class NumberedTiles:
    """A sampler whose tiles say which epoch and step they are from."""

    steps_per_epoch = STEPS

    def batch(self, epoch, step):
        images = np.zeros((2, 4, 4, 3), np.uint8)
        images[..., 0], images[..., 1] = epoch, step
        return images, np.zeros((2, 4, 4), np.uint8)


class Listening(keras.Model):
    """Writes down which batches it is trained with."""

    def __init__(self):
        super().__init__()
        self.heard = []

    def train_step(self, data):
        images, _ = data
        self.heard.append((int(images[0, 0, 0, 0]), int(images[0, 0, 0, 1])))
        return {"loss": 0.0}


@pytest.mark.parametrize("first_epoch", [0, 2])
def test_every_batch_of_every_epoch_in_order(first_epoch):
    batches, model = TrainingBatches(NumberedTiles()), Listening()
    model.compile(optimizer="sgd", run_eagerly=True)
    model.fit(
        batches,
        shuffle=False,
        initial_epoch=first_epoch,
        epochs=4,
        callbacks=[batches.epoch_setter()],
        verbose=0,
    )
    epochs = range(first_epoch, 4)
    assert model.heard == [(epoch, step) for epoch in epochs for step in range(STEPS)]


def test_gives_what_the_sampler_gives(tiny_dataset):
    sampler = TileSampler(
        tiny_dataset.train,
        tile_px=TILE_PX,
        batch_size=4,
        seed=5,
        augmentation=small_settings().augmentation,
    )
    batches = TrainingBatches(sampler)
    batches.epoch_setter().on_epoch_begin(3)
    assert len(batches) == sampler.steps_per_epoch == 3
    for ours, theirs in zip(batches[2], sampler.batch(3, 2), strict=True):
        np.testing.assert_array_equal(ours, theirs)
