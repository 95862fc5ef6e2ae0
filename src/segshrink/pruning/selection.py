"""Number of units that each group keeps under a cost limit."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from segshrink.pruning.channels import ChannelIds
from segshrink.pruning.cost import Costs
from segshrink.pruning.importance import FloatArray

Counts = npt.NDArray[np.int64]

# An exchange that gains less utility than this is due to rounding.
_LEAST_GAIN = 1e-9
# Groups move up to so many steps at once: where kernels compute channels in blocks of
# several steps, the first of them may save nothing, and the last of them a whole block.
_STEPS_AT_ONCE = 4
_EXCHANGES = (-4, -2, -1, 1, 2, 4)


class Scope(Protocol):
    """Spreads a cost limit over the groups."""

    def __call__(
        self,
        costs: Costs,
        prices: FloatArray,
        limit: float,
        *,
        scores: Sequence[FloatArray],
        steps: Sequence[int],
        most: Counts | None = None,
    ) -> Counts:
        """Number of units that each group keeps.

        Args:
            costs: of the model; its groups keep their units in the order of `scores`.
            prices: cost of one of each term of `costs`, at least 0.
            limit: the most that all terms may cost together.
            scores: for each group, scores of its units, highest first.
            steps: for each group, what its count must be a multiple of.
            most: for each group, the most units that it may keep; None is all.

        Returns:
            Counts within the limit; the least possible ones if no counts are.
        """
        ...


def by_layer(
    costs: Costs,
    prices: FloatArray,
    limit: float,
    *,
    scores: Sequence[FloatArray],
    steps: Sequence[int],
    most: Counts | None = None,
) -> Counts:
    """Every group keeps the same share of its units: the largest that is affordable."""

    def counts_of(share: float) -> Counts:
        pairs = zip(costs.sizes.tolist(), steps, strict=True)
        kept = [rounded(share * size, size, step) for size, step in pairs]
        counts = np.array(kept, dtype=np.int64)
        return counts if most is None else np.minimum(counts, most)

    def is_affordable(share: float) -> bool:
        values = costs.terms(costs.counts(counts_of(share)))
        return float(prices @ values) <= limit

    low, high = 0.0, 1.0
    if is_affordable(high):
        return counts_of(high)
    # Rounded counts only change at multiples of the smallest step of the widest group.
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if is_affordable(middle) else (low, middle)
    return counts_of(low)


def by_importance(
    costs: Costs,
    prices: FloatArray,
    limit: float,
    *,
    scores: Sequence[FloatArray],
    steps: Sequence[int],
    most: Counts | None = None,
) -> Counts:
    """The units that matter least for their cost leave first.

    The counts minimize the sum over groups of 1 / (kept share of the group's total
    score). It grows without bound as a group empties, so that none does, and it prefers
    two groups of middle width to a wide and a narrow one, which cost the same where one
    reads the other. Scores of different groups need not have the same scale.

    Groups shrink greedily, by one or several steps at once, units come back in as far
    as the limit leaves room, and then groups exchange units as long as the sum falls:
    the cost of a unit depends on the units that its neighbours keep in the end, which
    the greedy pass does not know.
    """
    allocation = _Allocation(
        costs, prices, scores, steps, costs.sizes if most is None else most
    )
    allocation.shrink_to(limit)
    if allocation.cost() <= limit:
        allocation.fill_up_to(limit)
        allocation.exchange_within(limit)
    return allocation.kept


class _Allocation:
    """Counts of units, their cost, and moves to smaller and larger counts."""

    def __init__(
        self,
        costs: Costs,
        prices: FloatArray,
        scores: Sequence[FloatArray],
        steps: Sequence[int],
        most: Counts,
    ) -> None:
        self.kept, self._most = most.copy(), most
        self._costs, self._prices, self._steps = costs, prices, steps
        self._counts = costs.counts(self.kept)
        self._utilities = [_utilities(group) for group in scores]
        self._near = [np.array(near) for near in _sharing_terms(costs.touched)]
        # Changes by other counts of a group, for each state of the groups that share a
        # term with it: exchanges come back to the same states again and again.
        self._known: list[dict[bytes, dict[int, tuple[float, float]]]]
        self._known = [{} for _ in scores]
        self._changes: list[dict[int, tuple[float, float]] | None]
        self._changes = [None for _ in scores]
        # Of the best move down, the utility lost for each unit of cost, and where it
        # ends; of the best move up, the rise in cost, the utility gained for each unit
        # of it, and where it ends. Infinite where there is no move. Those of stale
        # groups are found when they are needed.
        self._loss_rates, self._rises = np.full((2, len(scores)), math.inf)
        self._gain_rates = np.zeros(len(scores))
        self._downs, self._ups = self.kept.copy(), self.kept.copy()
        self._stale_losses = set(range(len(scores)))
        self._stale_gains = set(range(len(scores)))

    def cost(self) -> float:
        return float(self._prices @ self._costs.terms(self._counts))

    def utility(self) -> float:
        pairs = zip(self._utilities, self.kept.tolist(), strict=True)
        return float(sum(utilities[count] for utilities, count in pairs))

    def _change(self, group: int, count: int) -> tuple[float, float]:
        """Rise in cost and in utility if a group keeps `count` units."""
        known = self._changes[group]
        if known is None:
            state = self.kept[self._near[group]].tobytes()
            known = self._changes[group] = self._known[group].setdefault(state, {})
        if count not in known:
            utilities, before = self._utilities[group], int(self.kept[group])
            terms = self._costs.rise(self._counts, group, (before, count))
            rise = self._prices[self._costs.touched[group]] @ terms
            known[count] = float(rise), float(utilities[count] - utilities[before])
        return known[count]

    def _keep(self, group: int, count: int) -> None:
        self._costs.change(self._counts, group, int(self.kept[group]), count)
        self.kept[group] = count
        near = self._near[group].tolist()
        self._stale_losses.update(near)
        self._stale_gains.update(near)
        for other in near:
            self._changes[other] = None

    def _smaller(self, group: int, count: int) -> int:
        """The next smaller count that is allowed; the count itself if there is none."""
        return max((count - 1) // self._steps[group] * self._steps[group], 0) or count

    def _larger(self, group: int, count: int) -> int:
        return min(count + self._steps[group], int(self._most[group]))

    def _find_loss(self, group: int) -> None:
        best, count = math.inf, int(self.kept[group])
        for _ in range(_STEPS_AT_ONCE):
            count = self._smaller(group, count)
            rise, gain = self._change(group, count)
            if rise < 0 and gain / rise < best:
                best, self._downs[group] = gain / rise, count
        self._loss_rates[group] = best
        self._stale_losses.discard(group)

    def _find_gain(self, group: int, room: float) -> None:
        """The best move up among those that rise by no more than `room`."""
        self._rises[group], best = math.inf, -math.inf
        count = int(self.kept[group])
        for _ in range(_STEPS_AT_ONCE):
            before, count = count, self._larger(group, count)
            rise, gain = self._change(group, count)
            rate = gain / max(rise, 1e-12)
            if count > before and rise <= room and rate > best:
                self._rises[group] = rise
                best, self._ups[group] = rate, count
        self._gain_rates[group] = best
        self._stale_gains.discard(group)

    def shrink_to(self, limit: float, besides: int | None = None) -> None:
        for group in list(self._stale_losses):
            self._find_loss(group)
        cost = self.cost()
        while cost > limit:
            least = _place_of_least(self._loss_rates, besides)
            if least is None:
                return
            # Neighbours may have shrunk since, which makes the group save less, so that
            # a stale rate is never too high here.
            if least in self._stale_losses:
                self._find_loss(least)
                continue
            cost += self._change(least, int(self._downs[least]))[0]
            self._keep(least, int(self._downs[least]))

    def fill_up_to(self, limit: float, besides: int | None = None) -> None:
        room = limit - self.cost()
        self._stale_gains.update(range(len(self.kept)))
        while True:
            too_far = np.flatnonzero(np.isfinite(self._rises) & (self._rises > room))
            for group in self._stale_gains.union(too_far.tolist()):
                self._find_gain(group, room)
            costs = np.where(np.isfinite(self._rises), -self._gain_rates, math.inf)
            best = _place_of_least(costs, besides)
            if best is None:
                return
            room -= float(self._rises[best])
            self._keep(best, int(self._ups[best]))

    def exchange_within(self, limit: float) -> None:
        """Move one group, let the others make or take room; undo moves without gain."""
        best, improved = self.utility(), True
        while improved:
            improved = False
            for group in range(len(self.kept)):
                for steps in _EXCHANGES:
                    before = self.kept.copy()
                    self._move(group, steps)
                    if self.kept[group] == before[group]:
                        continue
                    self.shrink_to(limit, besides=group)
                    self.fill_up_to(limit, besides=group)
                    found = self.utility()
                    if found > best + _LEAST_GAIN and self.cost() <= limit:
                        best, improved = found, True
                    else:
                        self._return_to(before)

    def _move(self, group: int, steps: int) -> None:
        count, next_count = int(self.kept[group]), self._smaller
        if steps > 0:
            next_count = self._larger
        for _ in range(abs(steps)):
            count = next_count(group, count)
        self._keep(group, count)

    def _return_to(self, kept: Counts) -> None:
        for group in np.flatnonzero(self.kept != kept).tolist():
            self._keep(group, int(kept[group]))


def _place_of_least(values: FloatArray, besides: int | None) -> int | None:
    """The place of the least finite value but one; None if there is none."""
    values = values.copy()
    if besides is not None:
        values[besides] = math.inf
    place = int(np.argmin(values)) if len(values) else 0
    return place if len(values) and values[place] < math.inf else None


def _sharing_terms(touched: Sequence[ChannelIds]) -> list[list[int]]:
    """For each group the groups that a term of its cost depends on, itself included."""
    owners: dict[int, list[int]] = {}
    for group, terms in enumerate(touched):
        for term in terms.tolist():
            owners.setdefault(term, []).append(group)
    return [
        sorted({group}.union(*(owners[term] for term in terms.tolist())))
        for group, terms in enumerate(touched)
    ]


def _utilities(scores: FloatArray) -> FloatArray:
    """-1 / (share of the total score in the first k units), for k from 0 to all.

    A group whose scores are all 0 counts its units.
    """
    scores = scores - min(0.0, float(scores.min()))
    evenly = np.arange(1, len(scores) + 1) / len(scores)
    total = scores.sum()
    shares = np.cumsum(scores) / total if total > 0 else evenly
    # A trace of the even share makes units of score 0 leave one after the other.
    mixed = (shares + 1e-6 * evenly) / (1 + 1e-6)
    return np.concatenate([[-np.inf], -1 / mixed])


def utility(scores: Sequence[FloatArray], kept: Counts) -> float:
    """Objective of `by_importance`: minus the sum of 1 / (kept share of the score)."""
    pairs = zip(scores, kept.tolist(), strict=True)
    return float(sum(_utilities(group)[count] for group, count in pairs))


SCOPES: Mapping[str, Scope] = {"layer": by_layer, "global": by_importance}


def rounded(target: float, size: int, multiple_of: int) -> int:
    """The nearest count to `target` that suits the hardware.

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


def kept_first(scores: FloatArray) -> ChannelIds:
    """Units in the order in which they stay: highest score first, stable for ties."""
    return np.argsort(-np.asarray(scores), kind="stable")
