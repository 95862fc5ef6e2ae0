"""Batches of training tiles for `keras.Model.fit`."""

from collections.abc import Mapping
from typing import Any, Self

import keras
import numpy as np

from segshrink.data import TileSampler
from segshrink.errors import SegshrinkError
from segshrink.training.device_tiles import DrawBatch, draw_batch
from segshrink.training.read_ahead import ReadAhead

# Batches that lie ready for the backend: one is made while another is trained on.
_PREFETCHED = 2


class SampledBatches(keras.utils.PyDataset):
    """The batches of one epoch, in the order of a sampler.

    Pass `shuffle=False` to `fit`: Keras would shuffle the batches without a seed, and
    would separate tiles of the same image.

    Args:
        sampler: source of the tiles.
        first_epoch: 0-based epoch that training begins with.
    """

    def __init__(self, sampler: TileSampler, *, first_epoch: int = 0) -> None:
        # With one worker Keras uses no queue, which can carry batches of one epoch into
        # the next.
        super().__init__(workers=1)
        self._sampler = sampler
        self._epoch = first_epoch

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

    def for_fit(self) -> Any:
        """These batches as `fit` takes them: themselves, or a data set of TensorFlow.

        TensorFlow reads each epoch with an iterator of its own, which a thread tunes.
        The thread sleeps for 10 ms, then for twice as long each time, and an iterator
        that ends waits until it wakes (observed in 2.21): an epoch of 50 s takes 82.
        Keras asks for this tuning; the data set here has none.
        """
        if keras.backend.backend() != "tensorflow":
            return self
        import tensorflow as tf

        options = tf.data.Options()
        options.autotune.enabled = False
        return (
            tf.data.Dataset.from_generator(
                lambda: map(self.__getitem__, range(len(self))),
                output_signature=tf.nest.map_structure(
                    lambda x: tf.TensorSpec((None, *x.shape[1:]), x.dtype), self[0]
                ),
            )
            .apply(tf.data.experimental.assert_cardinality(len(self)))
            .prefetch(_PREFETCHED)
            .with_options(options)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """End what the batches need beside memory."""


class TrainingBatches(SampledBatches):
    """Batches that are made on the host.

    A batch is images and labels or, if the sampler has maps, a dict of images and
    teacher logits, and labels.

    Args:
        sampler: source of the tiles.
        first_epoch: 0-based epoch that training begins with.
        readers: threads that make batches ahead of the one asked for, at least 1. With
            1 there is none, and the thread that asks makes its batch itself. The
            batches are the same.

    In a `with` statement about the training run, the threads end with it, and an error
    of making a batch is raised as it is, whatever the backend makes of it.
    """

    def __init__(
        self, sampler: TileSampler, *, first_epoch: int = 0, readers: int = 1
    ) -> None:
        super().__init__(sampler, first_epoch=first_epoch)
        self._ahead = ReadAhead(self._make, readers) if readers > 1 else None
        self._fault: SegshrinkError | None = None

    def __getitem__(self, index: int) -> tuple[Any, np.ndarray]:
        number = self._epoch * len(self) + index
        try:
            return self._ahead.get(number) if self._ahead else self._make(number)
        except SegshrinkError as fault:
            self._fault = fault
            raise

    def _make(self, number: int) -> tuple[Any, np.ndarray]:
        """The batch of a step, counted over all epochs."""
        place = divmod(number, len(self))
        if self._sampler.maps is None:
            return self._sampler.batch(*place)
        images, labels, logits = self._sampler.batch_with_maps(*place)
        return {"images": images, "teacher_logits": logits}, labels

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._ahead is not None:
            self._ahead.close()
        backends_own = isinstance(error, Exception) and error is not self._fault
        if self._fault is not None and backends_own:
            # TensorFlow raises an error of its own, with the text of this one.
            raise self._fault from None


class DrawnBatches(SampledBatches):
    """Batches that a `DeviceTrainee` makes itself: the numbers of their tiles."""

    def __getitem__(self, index: int) -> tuple[DrawBatch]:
        here = self._epoch, index
        sampler = self._sampler
        draws, mixes = sampler.draws(*here), sampler.mixes(*here)
        return (draw_batch(draws, mixes, num_bands=sampler.part.num_bands),)
