import keras
import numpy as np
import pytest

from segshrink.errors import RunFolderError
from segshrink.training.checkpoint import (
    best_path,
    discard_checkpoint,
    discard_other_models,
    load_state,
    save_state,
    state_path,
)

FACTS = {"fingerprint": {"a": 1, "b": {"c": [1, 2]}}, "history": [{"loss": 0.1}]}


def variables(*values):
    return [keras.Variable(np.asarray(value)) for value in values]


def test_gives_back_values_and_facts(tmp_path):
    values = [np.array([1.5, -2.0], np.float32), np.array(7, np.int64)]
    save_state(tmp_path, variables(*values), FACTS)
    target = variables(*(np.zeros_like(value) for value in values))
    assert load_state(tmp_path, target, FACTS["fingerprint"]) == FACTS
    for variable, value in zip(target, values, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)


def test_nothing_saved_is_none(tmp_path):
    assert load_state(tmp_path, [], {}) is None


def test_names_all_that_differs(tmp_path):
    save_state(tmp_path, variables(1.0), FACTS)
    asked = {"a": 1, "b": {"c": [1, 3]}, "new": None, "other": 2}
    target = variables([1.0, 2.0])
    with pytest.raises(
        RunFolderError, match=r"other settings \(b\.c, other, model\)\."
    ):
        load_state(tmp_path, target, asked)
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
