"""Identities of channels: which are the same, and which must stay."""

import numpy as np
import numpy.typing as npt

ChannelIds = npt.NDArray[np.int64]


class ChannelSpace:
    """A union-find over single channels.

    Every axis that holds channels is described by a vector of ids, one for each
    position. Two positions whose ids are united leave together or stay together: an
    addition unites its operands position by position, a concatenation strings vectors
    together, a flattening repeats them, and nothing else needs to know about it.

    An id stays distinct after it is united, so that a vector also tells which layer
    produced a channel; `roots` tells which channels are the same.
    """

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._reasons: dict[int, str] = {}
        # The roots of all channels, cached while no further channels are united.
        self._settled: ChannelIds | None = None

    @property
    def size(self) -> int:
        """Number of ids."""
        return len(self._parents)

    def settle(self) -> None:
        """Cache the roots of all channels until channels are added or united again."""
        roots = np.array(self._parents, dtype=np.int64)
        while (roots[roots] != roots).any():
            roots = roots[roots]
        self._settled = roots

    def new(self, count: int) -> ChannelIds:
        """Make `count` channels that are free and the same as no others."""
        self._settled = None
        start = len(self._parents)
        self._parents.extend(range(start, start + count))
        return np.arange(start, start + count, dtype=np.int64)

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
        self._settled = None
        # Flattened feature maps repeat the same few pairs millions of times.
        codes = np.unique(np.asarray(first) * len(self._parents) + second)
        for code in codes.tolist():
            self._unite_pair(*divmod(code, len(self._parents)))

    def _unite_pair(self, first: int, second: int) -> None:
        kept, gone = sorted((self._root(first), self._root(second)))
        if kept == gone:
            return
        self._parents[gone] = kept
        reason = self._reasons.pop(gone, None)
        if reason is not None:
            self._reasons.setdefault(kept, reason)

    def _root(self, channel: int) -> int:
        while self._parents[channel] != channel:
            self._parents[channel] = self._parents[self._parents[channel]]
            channel = self._parents[channel]
        return channel

    def roots(self, ids: ChannelIds) -> ChannelIds:
        """One id for all channels that are the same, position by position."""
        if self._settled is not None:
            return np.asarray(self._settled[ids])
        unique, positions = np.unique(ids, return_inverse=True)
        roots = [self._root(channel) for channel in unique.tolist()]
        return np.asarray(roots, dtype=np.int64)[positions]

    def freeze(self, ids: ChannelIds, reason: str) -> None:
        """Keep these channels for good; the first reason given is the one reported."""
        for root in np.unique(self.roots(ids)).tolist():
            self._reasons.setdefault(root, reason)

    def reasons(self, ids: ChannelIds) -> list[str | None]:
        """The reason why each channel must stay; None for a channel that may leave."""
        return [self._reasons.get(root) for root in self.roots(ids).tolist()]

    def frozen(self, ids: ChannelIds) -> npt.NDArray[np.bool_]:
        """True for each channel that must stay."""
        return np.array(
            [reason is not None for reason in self.reasons(ids)], dtype=bool
        )
