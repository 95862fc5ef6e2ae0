"""Outputs of files for a pixel: logits, probabilities, or the class alone."""

from collections.abc import Callable
from enum import StrEnum

import numpy as np
import numpy.typing as npt

_LEAST_PROBABILITY = np.float32(1e-7)
# Probabilities of int8 files are multiples of 1/256.
_MOST_DEVIATION = 0.02


class OutputKind(StrEnum):
    """Meaning of the channels of an output."""

    LOGITS = "logits"
    SOFTMAX = "softmax"
    """Probabilities that sum to 1."""
    SIGMOID = "sigmoid"
    """A probability for each channel by itself."""
    CLASSES = "classes"
    """The index of the class, without a score; see `segshrink.runtimes.class_map`."""


def as_logits(channels: np.ndarray, kind: OutputKind) -> npt.NDArray[np.floating]:
    """Logits of two classes or more.

    Args:
        channels: `(..., channels)`, what the file gives.
        kind: what they are.

    Returns:
        `(..., classes)`. A single channel gives 0 for the background and its
        own logit for the foreground.
    """
    values = channels
    if kind is not OutputKind.LOGITS:
        values = np.asarray(values, np.float32)
        rest = 1 - values
        values = np.log(np.maximum(values, _LEAST_PROBABILITY))
        if kind is OutputKind.SIGMOID:
            values -= np.log(np.maximum(rest, _LEAST_PROBABILITY))
    if values.shape[-1] == 1:
        values = np.concatenate([np.zeros_like(values), values], axis=-1)
    return values


def output_kind(
    run: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...]
) -> OutputKind:
    """Find out by trying whether a file gives probabilities.

    Logits of noise do not all lie in [0, 1], whatever the model; those of two classes
    or more would also have to sum to 1.

    Args:
        run: a batch of images `shape` to the channels of the file.
        shape: (height, width, bands) of an image.
    """
    noise = np.random.default_rng(0).integers(0, 256, (1, *shape)).astype(np.float32)
    values = np.asarray(run(noise), np.float32)
    within = (values >= 0).all() and (values <= 1 + _MOST_DEVIATION).all()
    if not within:
        return OutputKind.LOGITS
    if values.shape[-1] == 1:
        return OutputKind.SIGMOID
    sums = values.sum(axis=-1)
    if (np.abs(sums - 1) <= _MOST_DEVIATION).all():
        return OutputKind.SOFTMAX
    return OutputKind.LOGITS
