"""A budget of bytes, kept by the exported file."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from segshrink.export import export_model
from segshrink.measuring import measure_size
from segshrink.pruning.budgets.candidates import (
    SUFFIXES,
    calibration_images,
    require_format,
)
from segshrink.pruning.budgets.problem import (
    Allocation,
    Problem,
    cannot_be_met,
    require_target,
)
from segshrink.pruning.selection import Counts

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
        before = self._bytes(problem, problem.costs.sizes)
        overhead = before - problem.price_of(prices, problem.costs.sizes)
        predicted, size = 0.0, before
        for _ in range(_ATTEMPTS):
            kept = problem.spread(prices, self.target - overhead)
            predicted = problem.price_of(prices, kept) + overhead
            size = self._bytes(problem, kept)
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

    def as_record(self) -> dict[str, Any]:
        """The budget as plain data."""
        return {
            "kind": "size",
            "target": self.target,
            "runtime": self.runtime,
            "quantize": self.quantize,
        }

    def _bytes(self, problem: Problem, kept: Counts) -> int:
        with tempfile.TemporaryDirectory(prefix="segshrink-size-") as folder:
            path = Path(folder) / f"candidate{SUFFIXES[self.runtime]}"
            model = problem.candidate(np.asarray(kept))
            images = calibration_images(model) if self.quantize else None
            export_model(
                model,
                path,
                format=self.runtime,
                quantize=self.quantize,
                calibration=images,
            )
            return int(measure_size(path)["size_bytes"])
