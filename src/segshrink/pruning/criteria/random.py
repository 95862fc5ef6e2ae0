"""Random scores, the baseline of every criterion."""

import zlib
from dataclasses import dataclass

import numpy as np

from segshrink.pruning.importance import FloatArray, GroupWeights


@dataclass(frozen=True)
class Random:
    """Uniform scores in [0, 1), drawn for each group from a seed and its names.

    Args:
        seed: int >= 0.
    """

    seed: int = 0

    def __call__(self, group: GroupWeights) -> FloatArray:
        """Scores `(units,)` of one group."""
        names = " ".join(producer.layer for producer in group.producers)
        entropy = (self.seed, zlib.crc32(names.encode()))
        return np.random.default_rng(entropy).random(group.size)
