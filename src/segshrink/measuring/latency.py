"""Latency of model files, measured in turn so that all share the machine's state."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from segshrink.errors import UsageError
from segshrink.progress import Progress, SilentProgress
from segshrink.records.measurement import Latency
from segshrink.runtimes import Artifact, Opening, gives_classes, predict_classes

# A shorter sample would depend on the clock and on single interruptions.
_SAMPLE_SECONDS = 0.03
_DOUBTFUL_SPREAD = 0.25


def measure_latency(
    paths: Sequence[Path | str],
    *,
    threads: int = 1,
    rounds: int = 15,
    warmup: int = 3,
    seed: int = 0,
    progress: Progress | None = None,
    opening: Opening | None = None,
) -> dict[Path, Latency]:
    """Time one image through each file, round after round.

    In every round each file gives one sample, in a random order, so that a machine that
    slows down slows all files down. A sample is the mean over as many predictions
    in a row as last 30 ms. Every file is opened once and stays open.

    Args:
        paths: files that `load_artifact` opens.
        threads: int >= 1, threads a prediction may compute with. A `.keras` file takes
            as many as its backend does, and its record states that number.
        rounds: int >= 3, samples per file.
        warmup: int >= 1, predictions before the first sample.
        seed: seed of the test image and of the order.
        progress: receives every sample.
        opening: how the files are opened.

    Returns:
        The latency of each path: milliseconds per image (median, quartiles, minimum),
        and `spread_doubtful` where the quartiles lie further apart than a quarter of
        the median.

    Raises:
        UsageError: for no paths, the same path twice, or a number out of range.
        ModelError: if a file cannot be opened.
    """
    files = [Path(path) for path in paths]
    _check(files, rounds, warmup)
    progress = progress or SilentProgress()
    random = np.random.default_rng(seed)
    load = (opening or Opening()).load
    timers = [_Timer(load(path, threads=threads), random) for path in files]
    progress.start(f"latency of {len(files)} files", rounds * len(files))
    for timer in timers:
        timer.warm_up(warmup)
    for _ in range(rounds):
        for index in random.permutation(len(timers)):
            progress.advance(ms=timers[index].sample())
    progress.finish()
    return {path: timer.latency() for path, timer in zip(files, timers, strict=True)}


def _check(paths: list[Path], rounds: int, warmup: int) -> None:
    if not paths or len(set(paths)) < len(paths):
        raise UsageError(
            "latency needs one or more different files, got "
            f"{', '.join(map(str, paths)) or 'none'}."
        )
    if rounds < 3 or warmup < 1:
        raise UsageError(
            f"at least 3 rounds and 1 warm-up are needed, got {rounds} and {warmup}."
        )


class _Timer:
    """Takes samples of one artifact."""

    def __init__(self, artifact: Artifact, random: np.random.Generator) -> None:
        self._artifact = artifact
        # What the file itself gives: classes would only be made scores again, and
        # probabilities logits.
        if not gives_classes(artifact):
            artifact.signature = replace(artifact.signature, output=None)
        self._predict = (
            partial(predict_classes, artifact)
            if gives_classes(artifact)
            else artifact.predict
        )
        shape = (1, *artifact.input_shape, artifact.num_bands)
        self._image = random.uniform(0, 255, shape).astype(np.float32)
        self._repeats = 1
        self._samples_ms: list[float] = []

    def warm_up(self, predictions: int) -> None:
        """Predict several times, and choose how many predictions make a sample."""
        shortest_ms = min(self._mean_ms() for _ in range(predictions))
        self._repeats = max(1, math.ceil(_SAMPLE_SECONDS * 1000 / shortest_ms))

    def sample(self) -> float:
        """Take one sample and return its milliseconds per image."""
        self._samples_ms.append(self._mean_ms())
        return self._samples_ms[-1]

    def _mean_ms(self) -> float:
        start = time.perf_counter()
        for _ in range(self._repeats):
            self._predict(self._image)
        return (time.perf_counter() - start) * 1000 / self._repeats

    def latency(self) -> Latency:
        """Summary of the samples."""
        return summary(self._samples_ms, self._artifact.threads)


def summary(samples_ms: Sequence[float], threads: int) -> Latency:
    """Median, quartiles and minimum of samples in milliseconds."""
    low, median, high = (float(q) for q in np.percentile(samples_ms, [25, 50, 75]))
    latency = Latency(
        rounds=len(samples_ms),
        batch=1,
        median_ms=median,
        p25_ms=low,
        p75_ms=high,
        min_ms=float(min(samples_ms)),
        threads=threads,
    )
    if high - low > _DOUBTFUL_SPREAD * median:
        return latency.model_copy(update={"spread_doubtful": True})
    return latency
