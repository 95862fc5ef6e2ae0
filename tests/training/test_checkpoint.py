"""The state of a training run in its folder."""

import contextlib

import keras
import numpy as np
import pytest

from segshrink.errors import RunFolderError
from segshrink.training.checkpoint import (
    TrainingState,
    best_path,
    discard_checkpoint,
    discard_other_models,
    load_state,
    save_state,
    state_path,
)

FINGERPRINT = {"a": 1, "b": {"c": [1, 2]}}
STATE = TrainingState(FINGERPRINT, [{"loss": 0.1, "val_miou": None}], 1, 0.5)


def variables(*values):
    return [keras.Variable(np.asarray(value)) for value in values]


def test_saved_values_and_state_are_loaded(tmp_path):
    values = [np.array([1.5, -2.0], np.float32), np.array(7, np.int64)]
    save_state(tmp_path, variables(*values), STATE)
    target = variables(*(np.zeros_like(value) for value in values))
    assert load_state(tmp_path, target, FINGERPRINT) == STATE
    for variable, value in zip(target, values, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)


def test_without_a_file_the_state_is_that_of_the_beginning(tmp_path):
    assert load_state(tmp_path, [], FINGERPRINT) == TrainingState(FINGERPRINT)


def test_names_all_that_differs(tmp_path):
    save_state(tmp_path, variables(1.0), STATE)
    current = {"a": 1, "b": {"c": [1, 3]}, "new": None, "other": 2}
    target = variables([1.0, 2.0])
    with pytest.raises(
        RunFolderError, match=r"other settings \(b\.c, other, model\)\."
    ):
        load_state(tmp_path, target, current)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(target[0]), [1.0, 2.0])


def test_keeps_only_the_best_model(tmp_path):
    for epoch in (1, 2, 12):
        best_path(tmp_path, epoch).parent.mkdir(exist_ok=True)
        best_path(tmp_path, epoch).write_bytes(b"")
    discard_other_models(tmp_path, 2)
    assert list(state_path(tmp_path).parent.iterdir()) == [best_path(tmp_path, 2)]
    discard_checkpoint(tmp_path)
    discard_checkpoint(tmp_path)  # nothing there is fine
    assert list(tmp_path.iterdir()) == []


def test_damage_anywhere_is_one_error(tmp_path):
    """numpy.load raises errors of ten kinds, by where the damage is."""
    save_state(tmp_path, variables(np.ones(3, np.float32)), STATE)
    path = state_path(tmp_path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        for bit in (0, 3, 5, 7):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            with contextlib.suppress(RunFolderError):
                load_state(tmp_path, variables(np.zeros(3, np.float32)), FINGERPRINT)


def test_numbers_of_sixteen_bits_are_loaded_as_they_were(tmp_path):
    values = np.array([1.5, -0.375, 1e30], np.float32)
    save_state(tmp_path, [keras.Variable(values, dtype="bfloat16")], STATE)
    [target] = [keras.Variable(np.zeros(3), dtype="bfloat16")]
    load_state(tmp_path, [target], FINGERPRINT)
    expected = keras.Variable(values, dtype="bfloat16")
    assert keras.ops.all(keras.ops.equal(target.value, expected.value))
