"""The first step of a training run, which compiles before it computes."""

import time
from collections.abc import Mapping
from typing import Any

import keras

from segshrink.training.context import TrainingContext


class FirstStep(keras.callbacks.Callback):
    """Reports that the first step compiles, and how long it took.

    Args:
        context: its progress is told.
    """

    def __init__(self, context: TrainingContext) -> None:
        super().__init__()
        self._context = context
        self._began: float | None = None
        self._is_over = False

    def on_train_batch_begin(
        self, batch: int, logs: Mapping[str, Any] | None = None
    ) -> None:
        """Say what takes so long."""
        if not self._is_over:
            self._began = time.perf_counter()
            self._context.progress.advance(0, step="compiling")

    def on_train_batch_end(
        self, batch: int, logs: Mapping[str, Any] | None = None
    ) -> None:
        """Wait for the loss of the first step, and say how long it took."""
        if self._is_over or self._began is None:
            return
        self._is_over = True
        float((logs or {})["loss"])
        seconds = time.perf_counter() - self._began
        self._context.progress.say(
            f"{self._context.label}: the first step took {seconds:.1f} s, with "
            "compiling."
        )
