"""Hands the tiles of a sampler to `keras.Model.fit`, epoch after epoch."""

import keras
import numpy as np

from segshrink.data import TileSampler


class TrainingBatches(keras.utils.PyDataset):
    """The batches of one epoch at a time; the next epoch follows by itself.

    A second thread decodes and augments while the model computes, so a batch must
    depend on nothing but its epoch and position; `TileSampler.batch` grants that.

    Args:
        sampler: where tiles come from.
        first_epoch: 0-based epoch to begin with, larger than 0 after a resume.
    """

    def __init__(self, sampler: TileSampler, first_epoch: int = 0) -> None:
        super().__init__(workers=2, use_multiprocessing=False, max_queue_size=4)
        self._sampler = sampler
        self._epoch = first_epoch

    def __len__(self) -> int:
        return self._sampler.steps_per_epoch

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self._sampler.batch(self._epoch, index)

    def on_epoch_end(self) -> None:
        """Move on to the next epoch; Keras has stopped the workers by now."""
        self._epoch += 1
