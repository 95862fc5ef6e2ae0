"""A budget of bytes, kept by the exported file."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import keras

from segshrink.measuring import measure_size
from segshrink.pruning.budgets.candidates import (
    export_candidate,
    require_format,
)
from segshrink.pruning.budgets.problem import (
    Allocation,
    Problem,
    cannot_be_met,
    require_target,
)

_ATTEMPTS = 6


@dataclass(frozen=True)
class SizeBudget:
    """At most so many bytes on disk, of the exported file.

    Args:
        target: bytes, above 1.
        runtime: what the file is for, `"litert"` or `"onnx"`.
        quantize: `"int8"` (LiteRT only) or None for float32.

    Raises:
        UsageError: if an argument is out of range.
    """

    target: float
    runtime: Literal["litert", "onnx"] = "litert"
    quantize: Literal["int8"] | None = None

    def __post_init__(self) -> None:
        require_target("SizeBudget", self.target, "a number of bytes above 0")
        require_format("SizeBudget", self.runtime, self.quantize)

    def solve(self, problem: Problem) -> Allocation:
        """See `Budget`.

        The file is taken to be the weights and a constant; a candidate that turns out
        larger than that lowers the limit of the next.
        """
        prices = problem.costs.prices(parameters=1.0 if self.quantize else 4.0)
        progress = problem.progress
        progress.start("exporting candidates", _ATTEMPTS)
        before = self._bytes(problem.model)
        overhead = before - problem.price_of(prices, problem.costs.sizes)
        predicted, size = 0.0, before
        for _ in range(_ATTEMPTS):
            kept = problem.spread(prices, self.target - overhead)
            predicted = problem.price_of(prices, kept) + overhead
            size = self._bytes(problem.candidate(kept))
            progress.advance(bytes=size)
            if size <= self.target or (kept == problem.least()).all():
                break
            overhead += size - predicted
        progress.finish()
        if size > self.target:
            raise cannot_be_met(f"{self.target:,.0f} bytes", f"{size:,} bytes")
        measured = {
            "unit": "bytes",
            "runtime": self.runtime,
            "quantize": self.quantize,
            "before": before,
            "target": self.target,
            "predicted": predicted,
            "after": size,
        }
        return Allocation(kept, measured)

    def share_left(
        self, model: keras.Model, done: Sequence[Mapping[str, Any]]
    ) -> float:
        """See `Budget`."""
        return self.target / self._bytes(model)

    def eased(self, model: keras.Model, share: float) -> "SizeBudget":
        """See `Budget`."""
        return replace(self, target=share * self._bytes(model))

    def as_record(self) -> dict[str, Any]:
        """The budget as plain data."""
        return {
            "kind": "size",
            "target": self.target,
            "runtime": self.runtime,
            "quantize": self.quantize,
        }

    def _bytes(self, model: keras.Model) -> int:
        with tempfile.TemporaryDirectory(prefix="segshrink-size-") as folder:
            path = export_candidate(
                model, Path(folder), "candidate", self.runtime, self.quantize
            )
            return int(measure_size(path)["size_bytes"])
