"""Identities of channels: which are the same, and which must stay."""

import numpy as np
import numpy.typing as npt

ChannelIds = npt.NDArray[np.int64]


class ChannelSpace:
    """A union-find over single channels, computed for whole vectors at a time.

    Every axis that holds channels is described by a vector of ids, one for each
    position. Two positions whose ids are united leave together or stay together: an
    addition unites its operands position by position, a concatenation strings vectors
    together, a flattening repeats them, and nothing else needs to know about it.

    An id stays distinct after it is united, so that a vector also tells which layer
    produced a channel; `roots` tells which channels are the same.

    Attributes:
        size: number of ids.
    """

    def __init__(self) -> None:
        # The first `size` entries count; the rest is room for new channels.
        self._parents: ChannelIds = np.arange(1024, dtype=np.int64)
        self._reasons: dict[int, str] = {}
        # True while every id points to its root.
        self._settled = True
        self.size = 0

    def settle(self) -> None:
        """Let every id point to its root, so that later look-ups are one step."""
        self.roots(np.arange(self.size, dtype=np.int64))
        self._settled = True

    def new(self, count: int) -> ChannelIds:
        """Make `count` channels that are free and the same as no others."""
        start, self.size = self.size, self.size + count
        if self.size > len(self._parents):
            more = np.arange(len(self._parents), 2 * self.size, dtype=np.int64)
            self._parents = np.concatenate([self._parents, more])
        return np.arange(start, self.size, dtype=np.int64)

    def unite(self, first: ChannelIds, second: ChannelIds) -> None:
        """Make `first[i]` and `second[i]` the same channel, for every i.

        Raises:
            ValueError: if the vectors differ in length.
        """
        if len(first) != len(second):
            raise ValueError(
                "Only vectors of the same length can be united, "
                f"got {len(first)} and {len(second)} channels."
            )
        while True:
            one, other = self.roots(first), self.roots(second)
            differ = one != other
            if not differ.any():
                return
            one, other = one[differ], other[differ]
            kept, gone = np.minimum(one, other), np.maximum(one, other)
            self._settled = False
            # A root that meets several smaller ones takes the smallest; the next round
            # unites that with the others.
            np.minimum.at(self._parents, gone, kept)
            self._move_reasons(gone)

    def _move_reasons(self, gone: ChannelIds) -> None:
        for root in sorted(self._reasons.keys() & set(gone.tolist())):
            reason = self._reasons.pop(root)
            kept = int(self.roots(np.array([root]))[0])
            self._reasons.setdefault(kept, reason)

    def roots(self, ids: ChannelIds) -> ChannelIds:
        """One id for all channels that are the same, position by position."""
        roots = self._parents[ids]
        if self._settled:
            return roots
        while True:
            above = self._parents[roots]
            if np.array_equal(above, roots):
                break
            roots = above
        self._parents[ids] = roots
        return roots

    def freeze(self, ids: ChannelIds, reason: str) -> None:
        """Keep these channels for good; the first reason given is the one reported."""
        for root in np.unique(self.roots(ids)).tolist():
            self._reasons.setdefault(root, reason)

    def reasons(self, ids: ChannelIds) -> list[str | None]:
        """The reason why each channel must stay; None for a channel that may leave."""
        return [self._reasons.get(root) for root in self.roots(ids).tolist()]

    def frozen(self, ids: ChannelIds) -> npt.NDArray[np.bool_]:
        """True for each channel that must stay."""
        kept = np.zeros(self.size, dtype=bool)
        kept[list(self._reasons)] = True
        return kept[self.roots(ids)]
