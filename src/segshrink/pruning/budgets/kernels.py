"""Numbers of channels that a runtime's kernels compute at once, by measurement."""

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import keras
import numpy as np

from segshrink.measuring import measure_latency
from segshrink.pruning.budgets.candidates import export_candidate
from segshrink.pruning.cost import Blocks, filled_up

# Kernels are known to compute 8 to 32 channels at once, by vector width; blocks of 4
# would look like none, since no layer keeps other numbers than multiples of 4.
_KNOWN = (
    Blocks(),
    Blocks(outputs=8),
    Blocks(outputs=8, inputs=8),
    Blocks(outputs=16),
    Blocks(outputs=16, inputs=8),
    Blocks(outputs=16, inputs=16),
    Blocks(outputs=16, narrow=8),
    Blocks(outputs=32),
    Blocks(outputs=32, narrow=16),
)
# Input and output channels of the convolutions that are timed.
_TIMED = (
    *((32, outputs) for outputs in (4, 8, 16, 24, 32, 48, 64)),
    *((inputs, 32) for inputs in (16, 20, 24, 48)),
)
_PIXELS = 48
_ROUNDS = 5


@cache
def kernel_blocks(runtime: str, threads: int, quantize: str | None) -> Blocks:
    """The blocks in which a runtime on this machine computes a 3x3 convolution.

    Convolutions of different numbers of channels are exported, each alone in a file,
    and timed in turn. They are measured once in a process.

    Args:
        runtime: `"litert"` or `"onnx"`.
        threads: threads that a prediction may compute with, at least 1.
        quantize: `"int8"` or None for float32.
    """
    with tempfile.TemporaryDirectory(prefix="segshrink-kernels-") as folder:
        files = {}
        for inputs, outputs in _TIMED:
            image = keras.Input((_PIXELS, _PIXELS, 3))
            read = keras.layers.Conv2D(inputs, 1)(image)
            made = keras.layers.Conv2D(outputs, 3, padding="same")(read)
            name = f"{inputs}-{outputs}"
            files[inputs, outputs] = export_candidate(
                keras.Model(image, made), Path(folder), name, runtime, quantize
            )
        records = measure_latency(list(files.values()), threads=threads, rounds=_ROUNDS)
        return blocks_of(
            {
                pair: records[file].min_ms or records[file].median_ms
                for pair, file in files.items()
            }
        )


def blocks_of(times: Mapping[tuple[int, int], float]) -> Blocks:
    """The known blocks that explain times of a convolution best.

    Time is taken to be a * inputs * outputs + b * outputs + c * inputs + d, the
    channels filled up.

    Args:
        times: milliseconds by input and output channels.
    """
    pairs = list(times)
    wanted = np.ones(len(pairs))

    def error(blocks: Blocks) -> float:
        filled = [
            (filled_up(i, blocks.widths(made=False)), filled_up(o, blocks.widths()))
            for i, o in pairs
        ]
        rows = np.array([(i * o, o, i, 1.0) for i, o in filled])
        relative = rows / np.array([[times[pair]] for pair in pairs])
        found = np.linalg.lstsq(relative, wanted, rcond=None)[0]
        return float(np.square(relative @ found - wanted).sum())

    return min(_KNOWN, key=error)
