"""How many units of each group stay, and which."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from segshrink.pruning.channels import ChannelIds
from segshrink.pruning.importance import FloatArray

Scope = Callable[[Sequence[FloatArray], float], list[float]]


def by_layer(scores: Sequence[FloatArray], keep: float) -> list[float]:
    """Each group keeps the share `keep` of its units."""
    return [keep * len(group) for group in scores]


def by_rank(scores: Sequence[FloatArray], keep: float) -> list[float]:
    """Of all units of all groups, the share `keep` with the highest scores stays.

    Scores are divided by the mean of their group, since norms of filters of different
    size do not compare; equal scores stay in the order of the model.
    """
    sizes = [len(group) for group in scores]
    relative = np.concatenate([_relative(group) for group in scores])
    owner = np.repeat(np.arange(len(scores)), sizes)
    kept = np.argsort(-relative, kind="stable")[: round(keep * len(relative))]
    return np.bincount(owner[kept], minlength=len(scores)).astype(float).tolist()


def _relative(scores: FloatArray) -> FloatArray:
    mean = scores.mean()
    return scores / mean if mean > 0 else np.zeros_like(scores)


SCOPES: Mapping[str, Scope] = {"layer": by_layer, "global": by_rank}


def rounded(target: float, size: int, multiple_of: int) -> int:
    """The nearest count to `target` that hardware likes.

    A count is a multiple of `multiple_of`, at least one multiple, or the whole group;
    a group of fewer units than that stays whole. Halfway, the larger count is taken.

    Args:
        target: number of units wanted, 0 to `size`.
        size: number of units there are, at least 1.
        multiple_of: at least 1.
    """
    if size <= multiple_of:
        return size
    below = max(math.floor(target / multiple_of), 1) * multiple_of
    above = min(below + multiple_of, size)
    return below if target - below < above - target else above


def highest(scores: FloatArray, count: int) -> ChannelIds:
    """Indices of the `count` highest scores, ascending; of equals the first stay."""
    return np.sort(np.argsort(-scores, kind="stable")[:count])
