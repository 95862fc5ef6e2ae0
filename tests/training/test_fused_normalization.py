"""Batch normalization that takes one operation in training."""

import sys
from contextlib import nullcontext

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers, ops

from segshrink.training import TrainingContext, train
from segshrink.training.fused_normalization import fused_normalization

from .runs import read_history, small_model, small_settings

GENERATOR = np.random.default_rng(0)
BACKEND = keras.backend.backend()
where_it_fuses = pytest.mark.skipif(
    BACKEND not in ("tensorflow", "torch"), reason="JAX fuses by itself"
)


def normalized(shape, **options):
    """A model of one layer, whose variables are away from their first values."""
    inputs = keras.Input(shape)
    layer = layers.BatchNormalization(**options)
    model = keras.Model(inputs, layer(inputs))
    values = [GENERATOR.uniform(0.5, 2.0, x.shape) for x in model.weights]
    model.set_weights(values)
    return model, layer


def one_step(model, images, targets):
    """Output, and all variables after a step against `targets`."""
    output = ops.convert_to_numpy(model(images, training=True))
    model.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=False)
    model.train_on_batch(images, targets)
    return [output, *model.get_weights()]


@where_it_fuses
@given(
    size=st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)),
    channels=st.integers(1, 9),
    scale=st.booleans(),
    center=st.booleans(),
    momentum=st.sampled_from([0.9, 0.99]),
    epsilon=st.sampled_from([1e-5, 1e-3]),
)
def test_a_step_is_that_of_keras(size, channels, **options):
    shape = (*size, channels)
    images = GENERATOR.normal(3.0, 2.0, shape).astype(np.float32)
    targets = GENERATOR.normal(size=shape).astype(np.float32)
    model, _ = normalized(shape[1:], **options)
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    with fused_normalization([model]):
        fused = one_step(model, images, targets)
    for mine, of_keras in zip(fused, one_step(twin, images, targets), strict=True):
        np.testing.assert_allclose(mine, of_keras, rtol=1e-3, atol=2e-4)


@where_it_fuses
def test_fewer_bits_are_normalized_in_float32_as_by_keras():
    images = GENERATOR.normal(3.0, 2.0, (2, 5, 5, 3)).astype(np.float32)
    model, _ = normalized(images.shape[1:], dtype="mixed_bfloat16")
    before = model.get_weights()
    of_keras = ops.cast(model(images, training=True), "float32")
    moved = model.get_weights()
    model.set_weights(before)
    with fused_normalization([model]):
        output = model(images, training=True)
    assert keras.backend.standardize_dtype(output.dtype) == "bfloat16"
    # Two results that differ by rounding may be neighbours among bfloat16.
    fused = ops.convert_to_numpy(ops.cast(output, "float32"))
    np.testing.assert_allclose(fused, ops.convert_to_numpy(of_keras), rtol=2**-7)
    for mine, of_keras in zip(model.get_weights(), moved, strict=True):
        np.testing.assert_allclose(mine, of_keras, rtol=1e-5)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="reads TensorFlow's graph")
def test_a_step_holds_one_operation_for_each_layer():
    import tensorflow as tf

    model = small_model()
    images = tf.zeros((1, *model.input_shape[1:]))
    counts = sum(isinstance(x, layers.BatchNormalization) for x in model.layers)

    def operations():
        step = tf.function(lambda x: model(x, training=True))
        kinds = [
            x.type for x in step.get_concrete_function(images).graph.get_operations()
        ]
        return kinds.count("FusedBatchNormV3")

    assert counts > 0
    assert operations() == 0
    with fused_normalization([model]):
        assert operations() == counts
    assert operations() == 0


@where_it_fuses
@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((5,), {}),
        ((4, 4, 3), {"axis": 1}),
        ((1, 1, 3), {}),
        ((4, 4, 3), {"renorm": True}),
        ((4, 4, 3), {"trainable": False}),
        ((4, 4, 3), {"dtype": "float64"}),
    ],
)
def test_other_layers_compute_as_before(shape, options):
    model, _ = normalized(shape, **options)
    # One image of one pixel is one that no variance can be estimated of.
    images = GENERATOR.normal(size=(1 if shape == (1, 1, 3) else 2, *shape))
    before = model.get_weights()
    expected = ops.convert_to_numpy(model(images, training=True))
    moved = model.get_weights()
    model.set_weights(before)
    with fused_normalization([model]):
        output = ops.convert_to_numpy(model(images, training=True))
    np.testing.assert_array_equal(output, expected)
    for mine, of_keras in zip(model.get_weights(), moved, strict=True):
        np.testing.assert_array_equal(mine, of_keras)


def test_the_layer_is_its_own_again_after_an_error():
    model, layer = normalized((4, 4, 3))
    with pytest.raises(ValueError, match="told"), fused_normalization([model]):
        raise ValueError("told")
    assert "call" not in vars(layer)


def test_who_replaced_the_call_keeps_it():
    model, layer = normalized((4, 4, 3))
    vars(layer)["call"] = mine = object()
    with fused_normalization([model]):
        assert layer.call is mine
    assert layer.call is mine


def test_layers_inside_inner_models_are_found():
    inner, layer = normalized((4, 4, 3))
    inputs = keras.Input((4, 4, 3))
    outer = keras.Model(inputs, inner(inputs))
    with fused_normalization([outer]):
        changed = "call" in vars(layer)
    assert changed == (BACKEND in ("tensorflow", "torch"))


def test_training_ends_with_the_same_numbers(tiny_dataset, tmp_path, monkeypatch):
    def losses(name):
        context = TrainingContext(dataset=tiny_dataset, folder=tmp_path / name)
        train(small_model(), small_settings(), context)
        return [float(row["loss"]) for row in read_history(tmp_path / name)]

    fused, module = losses("fused"), sys.modules["segshrink.training.fit"]
    monkeypatch.setattr(module, "fused_normalization", lambda _: nullcontext())
    np.testing.assert_allclose(fused, losses("of_keras"), rtol=1e-3)
