"""A budget of bytes, measured on the exported file."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import keras

from segshrink.measuring import measure_size
from segshrink.pruning.budgets.candidates import (
    export_candidate,
    require_format,
)
from segshrink.pruning.budgets.problem import (
    Allocation,
    Counts,
    Problem,
    cannot_be_met,
    require_target,
)
from segshrink.records.plan import BudgetRecord, MeasuredSize, PlanRecord

_ATTEMPTS = 8
# The search ends with a candidate that leaves less than this share unused.
_UNUSED = 0.02


@dataclass(frozen=True)
class _Candidate:
    """Units kept of each group, bytes of the exported file, and bytes predicted."""

    kept: Counts
    size: int
    predicted: float


@dataclass(frozen=True)
class SizeBudget:
    """Limit on the bytes of the exported file on disk.

    Args:
        target: bytes, above 1, without the metadata: names of classes, data and scores
            take one or two kilobytes more.
        runtime: runtime of the file, `"litert"` or `"onnx"`.
        quantize: `"int8"` (LiteRT only) or None for float32.

    Raises:
        UsageError: if an argument is out of range.
    """

    target: float
    runtime: Literal["litert", "onnx"] = "litert"
    quantize: Literal["int8"] | None = None

    def __post_init__(self) -> None:
        require_target("SizeBudget", self.target, "a number of bytes above 1", above=1)
        require_format("SizeBudget", self.runtime, self.quantize)

    def solve(self, problem: Problem) -> Allocation:
        """See `Budget`.

        The size is modelled as that of the weights plus a constant, which each
        candidate corrects, since descriptions of channels, scales and biases shrink as
        well. The largest candidate within the budget is chosen.
        """
        progress = problem.progress
        progress.start("exporting candidates", _ATTEMPTS)
        before = self._bytes(problem.model)
        tried = self._candidates(problem, before)
        progress.finish()
        within = [candidate for candidate in tried if candidate.size <= self.target]
        if not within:
            least = min(candidate.size for candidate in tried)
            raise cannot_be_met(f"{self.target:,.0f} bytes", f"{least:,} bytes")
        best = max(within, key=lambda candidate: candidate.size)
        measured = MeasuredSize(
            unit="bytes",
            runtime=self.runtime,
            quantize=self.quantize,
            before=before,
            target=self.target,
            predicted=best.predicted,
            after=best.size,
        )
        return Allocation(best.kept, measured)

    def _candidates(self, problem: Problem, before: int) -> "list[_Candidate]":
        """Exported files of models at the limit, until one leaves little unused."""
        prices = problem.costs.prices(parameters=1.0 if self.quantize else 4.0)
        overhead = before - problem.price_of(prices, problem.costs.sizes)
        limit = self.target - overhead
        # The limit lies between these prices of weights.
        low, high = 0.0, float("inf")
        tried: list[_Candidate] = []
        for _ in range(_ATTEMPTS):
            kept = problem.spread(prices, limit)
            if any((kept == candidate.kept).all() for candidate in tried):
                break
            price = problem.price_of(prices, kept)
            size = self._bytes(problem.candidate(kept))
            problem.progress.advance(bytes=size)
            tried.append(_Candidate(kept, size, price + overhead))
            if (1 - _UNUSED) * self.target <= size <= self.target:
                break
            if size <= self.target:
                low = max(low, price)
            else:
                high = min(high, price)
            overhead = size - price
            limit = self.target - overhead
            if not low < limit < high:
                limit = (low + high) / 2
        return tried

    def share_left(self, model: keras.Model, done: Sequence[PlanRecord]) -> float:
        """See `Budget`."""
        return self.target / self._bytes(model)

    def eased(self, model: keras.Model, share: float) -> "SizeBudget":
        """See `Budget`."""
        return replace(self, target=share * self._bytes(model))

    def as_record(self) -> BudgetRecord:
        """The budget as it stands in the record of a plan."""
        return BudgetRecord(
            kind="size",
            target=self.target,
            runtime=self.runtime,
            quantize=self.quantize,
        )

    def _bytes(self, model: keras.Model) -> int:
        with tempfile.TemporaryDirectory(prefix="segshrink-size-") as folder:
            path = export_candidate(
                model, Path(folder), "candidate", self.runtime, self.quantize
            )
            return measure_size(path).size_bytes
