import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from segshrink.errors import UsageError
from segshrink.pruning import MagnitudePruning, zero_smallest_weights
from segshrink.pruning.magnitude import kernels, largest_mask

from .networks import chain, images, outputs, small_unet


def zeros(model):
    return [float((weight.numpy() == 0).mean()) for weight in kernels(model)]


def trained(callback, *, batches):
    """A small classifier after `batches` steps of training with the callback."""
    model = chain(
        layers.Conv2D(10, 3, name="conv"),
        layers.BatchNormalization(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10),
    )
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    inputs = images(model, 2 * batches)
    targets = np.random.default_rng(2).normal(size=(2 * batches, 10))
    model.fit(inputs, targets, batch_size=2, verbose=0, callbacks=[callback])
    return model


def test_the_schedule_is_the_published_polynomial():
    pruning = MagnitudePruning(
        0.8, begin_step=10, end_step=30, initial_sparsity=0.2, frequency=1
    )
    assert pruning.sparsity(9) == 0
    assert pruning.sparsity(10) == pytest.approx(0.2)
    assert pruning.sparsity(20) == pytest.approx(0.8 - 0.6 * 0.5**3)
    assert pruning.sparsity(30) == pruning.sparsity(1000) == 0.8


def test_training_ends_at_the_final_sparsity_in_every_kernel():
    model = trained(
        MagnitudePruning(0.8, begin_step=2, end_step=6, frequency=3), batches=10
    )
    assert zeros(model) == pytest.approx([0.8, 0.8], abs=0.005)


def test_masks_grow_on_the_schedule_and_hold_in_between():
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(zeros(self.model)[1])

    pruning = MagnitudePruning(0.8, begin_step=3, end_step=7, frequency=2)
    watched = keras.callbacks.CallbackList([pruning, Watch()])
    trained(watched, batches=9)
    expected = [0, 0, *[pruning.sparsity(step) for step in (3, 3, 5, 5, 7, 7, 7)]]
    assert seen == pytest.approx(expected, abs=0.01)


def test_the_saved_model_is_plain(tmp_path):
    callback = MagnitudePruning(0.5, begin_step=0, end_step=2, frequency=1)
    model = trained(callback, batches=4)
    assert len(model.weights) == 2 + 4 + 2
    model.save(tmp_path / "model.keras")
    assert zeros(keras.models.load_model(tmp_path / "model.keras")) == zeros(model)


@given(
    values=st.lists(st.integers(-3, 3), min_size=1, max_size=40),
    sparsity=st.floats(0, 1),
)
def test_the_mask_drops_exactly_the_smallest(values, sparsity):
    values = np.array(values)
    mask = largest_mask(values, sparsity)
    assert (~mask).sum() == round(sparsity * len(values))
    if mask.any() and not mask.all():
        assert np.abs(values[~mask]).max() <= np.abs(values[mask]).min()


def test_a_zeroed_copy_costs_the_same_and_leaves_the_model_alone():
    model = small_unet()
    inputs = images(model)
    before = outputs(model, inputs)
    masked = zero_smallest_weights(model, 0.6)
    assert masked.count_params() == model.count_params()
    assert zeros(masked) == pytest.approx([0.6] * 6, abs=0.02)
    np.testing.assert_array_equal(outputs(model, inputs), before)
    for old, new in zip(model.weights, masked.weights, strict=True):
        values, kept = old.numpy(), new.numpy() != 0
        np.testing.assert_array_equal(new.numpy()[kept], values[kept])
        if "kernel" not in old.name:
            np.testing.assert_array_equal(new.numpy(), values)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"final_sparsity": 1.0}, "final_sparsity must be above 0 and below 1, got 1"),
        ({"initial_sparsity": 0.9}, r"must be 0 to final_sparsity \(0.5\), got 0.9"),
        ({"begin_step": 5}, "below end_step, got 5 and 5"),
        ({"begin_step": -1}, "at least 0 and below end_step, got -1 and 5"),
        ({"frequency": 0}, "frequency must be at least 1, got 0"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        MagnitudePruning(
            **{"final_sparsity": 0.5, "begin_step": 0, "end_step": 5, **arguments}
        )


def test_a_wrong_sparsity_is_refused():
    with pytest.raises(UsageError, match="sparsity must be above 0.*got 0"):
        zero_smallest_weights(small_unet(), 0)
