"""Batches of training tiles for `keras.Model.fit`."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from segshrink.data import TileSampler
from segshrink.training.device_tiles import DrawBatch, draw_batch


class SampledBatches(keras.utils.PyDataset):
    """The batches of one epoch, in the order of a sampler.

    Pass `shuffle=False` to `fit`: Keras would shuffle the batches without a seed, and
    would separate tiles of the same image.

    Args:
        sampler: source of the tiles.
    """

    def __init__(self, sampler: TileSampler) -> None:
        # With one worker Keras uses no queue, which can carry batches of one epoch into
        # the next. The backend still reads ahead in a thread of its own.
        super().__init__(workers=1)
        self._sampler = sampler
        self._epoch = 0

    def __len__(self) -> int:
        return self._sampler.steps_per_epoch

    def epoch_setter(self) -> keras.callbacks.Callback:
        """Callback that sets the epoch of these batches when it begins.

        Calls of `on_epoch_end` cannot be counted instead: Keras also calls it before
        the first epoch.
        """

        def set_epoch(epoch: int, logs: Mapping[str, Any] | None = None) -> None:
            self._epoch = epoch

        return keras.callbacks.LambdaCallback(on_epoch_begin=set_epoch)


class TrainingBatches(SampledBatches):
    """Batches that are made on the host.

    A batch is images and labels or, if the sampler has maps, a dict of images and
    teacher logits, and labels.
    """

    def __getitem__(self, index: int) -> tuple[Any, np.ndarray]:
        if self._sampler.maps is None:
            return self._sampler.batch(self._epoch, index)
        images, labels, logits = self._sampler.batch_with_maps(self._epoch, index)
        return {"images": images, "teacher_logits": logits}, labels


class DrawnBatches(SampledBatches):
    """Batches that a `DeviceTrainee` makes itself: the numbers of their tiles."""

    def __getitem__(self, index: int) -> tuple[DrawBatch]:
        return (draw_batch(self._sampler.draws(self._epoch, index)),)
