"""A budget of milliseconds, measured by timing the exported file."""

import tempfile
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from segshrink.errors import UsageError
from segshrink.measuring import measure_latency
from segshrink.pruning.budgets.candidates import (
    export_candidate,
    require_format,
)
from segshrink.pruning.budgets.kernels import kernel_blocks
from segshrink.pruning.budgets.latency_model import FEATURES, LatencyModel, Sample
from segshrink.pruning.budgets.problem import (
    Allocation,
    Problem,
    cannot_be_met,
    require_target,
    share_of_done,
)
from segshrink.pruning.cost import Blocks
from segshrink.pruning.selection import Counts, utility
from segshrink.records.plan import (
    BlocksRecord,
    BudgetRecord,
    MeasuredLatency,
    PlanRecord,
    SpentMilliseconds,
)

_MIXED_PROBES = 8
# Candidates for the plan get this many times the rounds of those for the model.
_MORE_ROUNDS = 3
_ATTEMPTS = 8
# A candidate this close under the target ends the search, and such a one is aimed at.
_CLOSE = 0.97
_MIDDLE = (1 + _CLOSE) / 2
_STEPS_ASIDE = 10
_FINALISTS = 4
_SLOWEST_LAYERS = 8


@dataclass(frozen=True)
class LatencyBudget:
    """Limit on the time for one image, measured on the exported file.

    A few candidates of different shapes are exported and timed, and a latency model is
    fitted to them (see `segshrink.pruning.budgets.latency_model`), which predicts the
    cost of a channel of each group in this runtime on this machine. The plan found with
    it is exported and timed interleaved with the unpruned model; a miss corrects the
    model, until a candidate is measured to be within the target.

    Args:
        target: up to 1 a share of the unpruned model's latency, above 1 milliseconds.
        runtime: runtime of the file, `"litert"` or `"onnx"`.
        threads: threads that a prediction may compute with, at least 1.
        quantize: `"int8"` (LiteRT only) or None for float32.
        rounds: int >= 3, samples of each candidate.

    Raises:
        UsageError: if an argument is out of range.
    """

    target: float
    runtime: Literal["litert", "onnx"] = "litert"
    threads: int = 1
    quantize: Literal["int8"] | None = None
    rounds: int = 9

    def __post_init__(self) -> None:
        require_target("LatencyBudget", self.target, "a share or milliseconds above 0")
        require_format("LatencyBudget", self.runtime, self.quantize)
        if self.threads < 1 or self.rounds < 3:
            raise UsageError(
                "LatencyBudget: threads must be at least 1 and rounds at least 3, got "
                f"{self.threads} and {self.rounds}."
            )

    def solve(self, problem: Problem) -> Allocation:
        """See `Budget`; the image size must be fixed."""
        if not problem.costs.fixed:
            raise UsageError(
                f"{problem.model.name}: latency can only be measured for a model whose "
                f"images have a fixed size, got {problem.model.input_shape}."
            )
        with tempfile.TemporaryDirectory(prefix="segshrink-latency-") as folder:
            bench = _Bench(self, problem, Path(folder))
            try:
                return _search(self, problem, bench)
            finally:
                problem.progress.finish()

    def share_left(self, model: keras.Model, done: Sequence[PlanRecord]) -> float:
        """See `Budget`; for a target in milliseconds, the model is timed."""
        if self.target > 1:
            return self.target / self._milliseconds(model)
        timed = [plan.measured for plan in done if plan.measured is not None]
        return share_of_done(self.target, [m.after / m.before for m in timed])

    def eased(self, model: keras.Model, share: float) -> "LatencyBudget":
        """See `Budget`."""
        return replace(self, target=share)

    def wanted(self, before: float) -> float:
        """The target in milliseconds, if the unpruned model takes `before`."""
        return self.target * before if self.target <= 1 else self.target

    def _milliseconds(self, model: keras.Model) -> float:
        with tempfile.TemporaryDirectory(prefix="segshrink-latency-") as folder:
            path = export_candidate(
                model, Path(folder), "whole", self.runtime, self.quantize
            )
            records = measure_latency([path], threads=self.threads, rounds=self.rounds)
            return records[path].median_ms

    def as_record(self) -> BudgetRecord:
        """The budget as it stands in the record of a plan."""
        return BudgetRecord(
            kind="latency",
            target=self.target,
            runtime=self.runtime,
            threads=self.threads,
            quantize=self.quantize,
        )


class _Bench:
    """Exports candidates and times them interleaved with the unpruned model."""

    def __init__(self, budget: LatencyBudget, problem: Problem, folder: Path) -> None:
        self._budget, self._problem, self._folder = budget, problem, folder
        self._files: dict[bytes, Path] = {}

    def blocks(self) -> Blocks:
        """Blocks of channels in which the runtime computes."""
        budget = self._budget
        return kernel_blocks(budget.runtime, budget.threads, budget.quantize)

    def expect(self, candidates: int) -> None:
        """Report the largest number of candidates that will be timed."""
        self._problem.progress.start("timing candidates", candidates)

    def time(
        self, candidates: Sequence[Counts], *, longer: int = 1
    ) -> tuple[float, list[Sample]]:
        """Median milliseconds of the unpruned model, and a sample of each candidate.

        `longer` multiplies the rounds of the budget.
        """
        whole = self._file(self._problem.costs.sizes)
        paths = [self._file(kept) for kept in candidates]
        records = measure_latency(
            list(dict.fromkeys([whole, *paths])),
            threads=self._budget.threads,
            rounds=longer * self._budget.rounds,
        )
        before = records[whole].median_ms
        samples = [
            Sample(kept, records[path].median_ms)
            for kept, path in zip(candidates, paths, strict=True)
        ]
        self._problem.progress.advance(len(candidates), ms=samples[-1].ms)
        return before, samples

    def _file(self, kept: Counts) -> Path:
        key = np.asarray(kept, dtype=np.int64).tobytes()
        if key not in self._files:
            budget = self._budget
            self._files[key] = export_candidate(
                self._problem.candidate(kept),
                self._folder,
                f"candidate-{len(self._files)}",
                budget.runtime,
                budget.quantize,
            )
        return self._files[key]


@dataclass(frozen=True, eq=False)
class _Trial:
    """A candidate that was timed beside the unpruned model.

    Attributes:
        kept: its counts.
        predicted: as a share of the unpruned model's time.
        before: milliseconds of the unpruned model.
        after: milliseconds of the candidate.
        target: milliseconds that it may take.
    """

    kept: Counts
    predicted: float
    before: float
    after: float
    target: float

    @property
    def ratio(self) -> float:
        """Time taken, as a share of the target."""
        return self.after / self.target

    @property
    def is_within(self) -> bool:
        """Whether it keeps the target."""
        return self.ratio <= 1

    @property
    def is_close(self) -> bool:
        """Whether it keeps the target and leaves hardly any time over."""
        return _CLOSE <= self.ratio <= 1


def _search(budget: LatencyBudget, problem: Problem, bench: _Bench) -> Allocation:
    grids = problem.grids()
    probes = _probes(grids[-1])
    bench.expect(len(probes) + (_ATTEMPTS + _FINALISTS) * len(grids))
    before, samples = bench.time(probes)
    confirmed: list[_Trial] = []
    for grid in grids:
        confirmed += _close_in(budget, grid, bench, before, samples)
        if any(trial.is_within for trial in confirmed):
            break
    within = [trial for trial in confirmed if trial.is_within]
    if not within:
        fastest = min(confirmed, key=lambda trial: trial.ratio)
        raise cannot_be_met(
            f"{fastest.target:.3g} ms in {budget.runtime}",
            f"{fastest.after:.3g} of {fastest.before:.3g} ms",
        )
    best = max(within, key=lambda trial: utility(problem.scores, trial.kept))
    model = LatencyModel(problem.costs, samples, blocks=bench.blocks(), near=best.after)
    return Allocation(best.kept, _record(budget, model, best, len(samples)))


def _close_in(
    budget: LatencyBudget,
    problem: Problem,
    bench: _Bench,
    before: float,
    samples: list[Sample],
) -> list[_Trial]:
    """Time candidates ever closer to the target; each adds to the samples, too.

    Returns:
        Candidates that were timed twice, the second time together. If none of them is
        within the target, the least candidate is among them.
    """
    wanted, blocks = budget.wanted(before), bench.blocks()
    tried: dict[bytes, _Trial] = {}
    for _ in range(_ATTEMPTS):
        model = LatencyModel(problem.costs, samples, blocks=blocks, near=wanted)
        # The model is fitted to all samples, so that a bias near the target remains.
        near = samples[len(samples) - len(tried) :]
        ratios = [sample.ms / model.predict(sample.kept) for sample in near]
        correction = float(np.mean(ratios)) if ratios else 1.0
        upwards = not tried or list(tried.values())[-1].is_within
        kept = _unseen(problem, model, _MIDDLE * wanted / correction, upwards, tried)
        if kept is None:
            break
        predicted = model.predict(kept) * correction / before
        (trial,) = _timed(budget, bench, [(kept, predicted)])
        tried[kept.tobytes()] = trial
        # Drift of the machine cancels, since the unpruned model was timed beside it.
        samples.append(Sample(kept, trial.after * before / trial.before))
        if trial.is_close:
            confirmed = _timed_again(budget, problem, bench, list(tried.values()))
            if any(trial.is_close for trial in confirmed):
                return confirmed
            tried |= {trial.kept.tobytes(): trial for trial in confirmed}
    confirmed = _timed_again(budget, problem, bench, list(tried.values()))
    if not any(trial.is_within for trial in confirmed):
        least = problem.least()
        confirmed += _timed(budget, bench, [(least, model.predict(least) / before)])
    return confirmed


def _unseen(
    problem: Problem,
    model: LatencyModel,
    aim: float,
    upwards: bool,
    seen: Container[bytes],
) -> Counts | None:
    """Counts near `aim` milliseconds that were not tried, on the side that is open."""
    priced = replace(problem, costs=model.costs)
    for _ in range(_STEPS_ASIDE):
        kept = priced.spread(model.prices, aim - model.constant)
        if kept.tobytes() not in seen:
            return kept
        aim *= 1.01 if upwards else 0.99
    return None


def _timed_again(
    budget: LatencyBudget, problem: Problem, bench: _Bench, tried: Sequence[_Trial]
) -> list[_Trial]:
    """The candidates in question, timed once more and together.

    They are those within the target that have the most utility, and the fastest: the
    first time, luck may have brought one of many under the target.
    """
    fastest = min(tried, key=lambda trial: trial.ratio)
    near = [trial for trial in tried if trial.is_within and trial is not fastest]
    near.sort(key=lambda trial: utility(problem.scores, trial.kept))
    finalists = [*near[1 - _FINALISTS :], fastest]
    return _timed(budget, bench, [(each.kept, each.predicted) for each in finalists])


def _timed(
    budget: LatencyBudget, bench: _Bench, candidates: Sequence[tuple[Counts, float]]
) -> list[_Trial]:
    """Time counts, each with the share of the time that was predicted for them."""
    before, samples = bench.time([kept for kept, _ in candidates], longer=_MORE_ROUNDS)
    return [
        _Trial(kept, predicted, before, sample.ms, budget.wanted(before))
        for (kept, predicted), sample in zip(candidates, samples, strict=True)
    ]


def _probes(problem: Problem) -> list[Counts]:
    """Candidates of different shapes: all groups alike, and each in its own way."""
    sizes, steps = problem.costs.sizes, np.array(problem.steps)
    least = problem.least()
    random = np.random.default_rng(0)

    def keeping(shares: Any) -> Counts:
        kept = np.round(shares * sizes / steps).astype(np.int64) * steps
        return np.minimum(np.maximum(kept, least), sizes)

    alike = [keeping(share) for share in (1.0, 0.5, 0.25)]
    return alike + [
        keeping(random.choice((0.2, 0.4, 1.0), len(sizes)))
        for _ in range(_MIXED_PROBES)
    ]


def _record(
    budget: LatencyBudget, model: LatencyModel, best: _Trial, timed: int
) -> MeasuredLatency:
    blocks = model.costs.blocks
    return MeasuredLatency(
        unit="ms",
        runtime=budget.runtime,
        threads=budget.threads,
        quantize=budget.quantize,
        before=best.before,
        target=best.target,
        predicted=best.predicted * best.before,
        after=best.after,
        candidates_timed=timed,
        fit_error=model.error,
        blocks=BlocksRecord(**asdict(blocks)),
        prices=dict(zip(FEATURES, model.coefficients, strict=True)),
        spent_ms=SpentMilliseconds(**model.parts(best.kept)),
        slowest_layers=tuple(model.slowest(best.kept, _SLOWEST_LAYERS)),
    )
