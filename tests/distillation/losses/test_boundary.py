import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from keras import ops

from segshrink.distillation.losses import boundary_weights

from . import loops
from .loops import VOID

LABELS = arrays.arrays(
    np.uint8,
    arrays.array_shapes(min_dims=3, max_dims=3, max_side=7),
    elements=st.sampled_from([0, 1, 2, 254, VOID]),
    fill=st.sampled_from([0, VOID]),
)


@given(LABELS, st.integers(1, 4), st.floats(0, 100, width=32))
def test_agrees_with_a_loop_over_neighbourhoods(labels, radius_px, weight):
    found = boundary_weights(labels, weight, radius_px)
    assert found.dtype == "float32"
    expected = loops.boundary_weights(labels, weight, radius_px)
    np.testing.assert_array_equal(found, expected)


def test_by_eye():
    labels = np.array([[[0, 0, 0, 0, 1, VOID, 1, VOID, VOID, VOID, 0]]], np.uint8)
    expected = [1, 1, 5, 5, 5, 1, 1, 1, 1, 1, 1]
    np.testing.assert_array_equal(boundary_weights(labels, 5.0)[0, 0], expected)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_labels_come_in_any_dtype(dtype):
    labels = np.random.default_rng(0).choice([0, 1, VOID], (2, 6, 5))
    found = boundary_weights(ops.convert_to_tensor(labels.astype(dtype)), 3.0, 1)
    np.testing.assert_array_equal(found, loops.boundary_weights(labels, 3.0, 1))


@pytest.mark.parametrize("jit", [False, True])
def test_compiled_with_an_unknown_batch_size_it_is_the_same(jit):
    tf = pytest.importorskip("tensorflow")
    labels = np.random.default_rng(0).choice([0, 1, VOID], (2, 6, 5)).astype(np.uint8)
    signature = [tf.TensorSpec((None, 6, 5), tf.uint8)]
    compiled = tf.function(
        lambda x: boundary_weights(x, 2.0), input_signature=signature, jit_compile=jit
    )
    np.testing.assert_array_equal(compiled(labels), boundary_weights(labels, 2.0))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("weight", x) for x in (-1.0, float("nan"), float("inf"))),
        *(("radius_px", x) for x in (0, -1, 1.5)),
    ],
)
def test_numbers_out_of_range_are_refused(name, value):
    options = {"weight": 2.0, name: value}
    with pytest.raises(ValueError, match=name):
        boundary_weights(np.zeros((1, 4, 4), np.uint8), **options)
