"""Tensors of a file matched with those of the model by their values."""

import numpy as np

from segshrink.export.tensor_matching import equal_tensors

RANDOM = np.random.default_rng(0)
ONE = RANDOM.normal(size=(1, 4, 5, 3)).astype(np.float32)
OTHER = RANDOM.normal(size=(1, 4, 5, 3)).astype(np.float32)


def test_names_of_equal_values_in_both_layouts():
    of_file = [
        ("a", ONE * np.float32(1 + 1e-6)),
        ("b", OTHER),
        ("c", ONE.transpose(0, 3, 1, 2)),
        ("flat", ONE.reshape(1, -1)),
        ("int", np.zeros((1, 4, 5, 3), np.int32)),
    ]
    found = equal_tensors([("one", ONE), ("other", OTHER), ("third", ONE + 1)], of_file)
    assert found == {"one": ["a", "c"], "other": ["b"]}


def test_tolerance_is_relative_to_the_largest_value():
    big = 1e4 * ONE
    near, far = big + 1.0, big + 100.0
    assert equal_tensors([("x", big)], [("n", near), ("f", far)]) == {"x": ["n"]}
