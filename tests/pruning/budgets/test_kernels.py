"""Blocks of kernels, found from times of a machine whose blocks are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.pruning.budgets.kernels import _KNOWN, _TIMED, blocks_of, kernel_blocks
from segshrink.pruning.cost import Blocks, filled_up


def up(count, block):
    return int(np.ceil(count / block)) * block


def milliseconds(inputs, outputs, blocks):
    """Time of a convolution in these blocks, by the words of `Blocks` alone."""
    if blocks.narrow and outputs <= blocks.narrow:
        made = blocks.narrow
    else:
        made = up(outputs, blocks.outputs)
    read = inputs if inputs <= blocks.inputs else up(inputs, blocks.inputs)
    return 3e-4 * read * made + 4e-4 * made + 1e-4 * read + 0.02


@given(
    blocks=st.sampled_from(_KNOWN),
    noise=st.floats(0, 0.015),
    seed=st.integers(0, 2**16),
)
def test_blocks_are_found_through_noise(blocks, noise, seed):
    random = np.random.default_rng(seed)
    times = {
        pair: milliseconds(*pair, blocks) * random.uniform(1 - noise, 1 + noise)
        for pair in _TIMED
    }
    assert blocks_of(times) == blocks


@pytest.mark.parametrize(
    ("count", "widths", "filled"),
    [
        (0, (8,), 0),
        (3, (1,), 3),
        (9, (8,), 16),
        (16, (16, 32), 16),
        (17, (16, 32), 32),
        (65, (16, 32), 96),
        (6, (1, 2, 3, 4, 5, 6, 7, 8), 6),
        (12, (1, 2, 3, 4, 5, 6, 7, 8), 16),
    ],
)
def test_counts_are_filled_up(count, widths, filled):
    assert filled_up(count, widths) == filled


@pytest.mark.parametrize(
    ("runtime", "quantize"), [("litert", None), ("litert", "int8"), ("onnx", None)]
)
def test_kernels_of_a_runtime_are_timed_once(runtime, quantize):
    pytest.importorskip({"litert": "ai_edge_litert", "onnx": "onnxruntime"}[runtime])
    found = kernel_blocks(runtime, 1, quantize)
    # Which blocks there are depends on the machine, but they are never others.
    assert isinstance(found, Blocks) and found in _KNOWN
    assert kernel_blocks(runtime, 1, quantize) is found
