import warnings

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers, ops

from segshrink.errors import ModelError, UsageError
from segshrink.pruning import MagnitudePruning, zero_smallest_weights
from segshrink.pruning.magnitude import kernels, largest_masks

from .networks import chain, images, outputs, small_unet, weights

ON_TORCH = keras.backend.backend() == "torch"  # compiles nothing, one step a call
# Without it JAX compiles no step at all; TensorFlow has a graph in either case.
COMPILES_QUICKLY = keras.backend.backend() == "jax"


def values(model):
    return [ops.convert_to_numpy(kernel) for kernel in kernels(model)]


def zeros(model):
    return [float((kernel == 0).mean()) for kernel in values(model)]


def all_zeros(model):
    return float((np.concatenate([x.ravel() for x in values(model)]) == 0).mean())


def adam(**arguments):
    return keras.optimizers.Adam(0.01, **arguments)


class Watched(layers.Layer):
    """Ten outputs; notes the share of zeros in its kernel at each training pass."""

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], 10), name="kernel")
        self.shares = self.add_weight((30,), "zeros", trainable=False, name="shares")
        self.passes = self.add_weight((), "zeros", trainable=False, name="passes")

    def call(self, inputs, training=False):
        if training:
            share = ops.mean(ops.cast(ops.equal(self.kernel, 0), "float32"))
            now = ops.cast(ops.equal(ops.arange(30.0), self.passes), "float32")
            self.shares.assign(self.shares + now * share)
            self.passes.assign(self.passes + 1)
        return ops.matmul(inputs, self.kernel)

    def forget(self):
        self.shares.assign(np.zeros(30))
        self.passes.assign(0)

    def seen(self):
        count = int(ops.convert_to_numpy(self.passes))
        return ops.convert_to_numpy(self.shares)[:count].tolist()


class Watch(keras.callbacks.Callback):
    """Results of `look` on the model after each batch."""

    def __init__(self, look=zeros):
        super().__init__()
        self.look = look
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(self.look(self.model))


def classifier(optimizer=None, constraint=None, **compile_arguments):
    """A convolution of 270 weights and a dense layer of 100."""
    model = chain(
        layers.Conv2D(10, 3, name="conv", kernel_constraint=constraint),
        layers.BatchNormalization(name="norm"),
        layers.GlobalAveragePooling2D(),
        Watched(name="dense"),
    )
    model.get_layer("dense").forget()
    arguments = {"jit_compile": COMPILES_QUICKLY, **compile_arguments}
    model.compile(optimizer or adam(), "mse", **arguments)
    return model


def train(model, *callbacks, batches=9, **arguments):
    inputs = images(model, 2 * batches)
    targets = np.random.default_rng(2).normal(size=(2 * batches, 10))
    model.fit(
        inputs,
        targets,
        batch_size=2,
        verbose=0,
        shuffle=False,
        callbacks=list(callbacks),
        **arguments,
    )
    return model


def half_from_the_start(**arguments):
    """Half of the weights, from before the first step on."""
    return MagnitudePruning(
        0.5, initial_sparsity=0.5, begin_step=0, end_step=1, **arguments
    )


def test_the_schedule_is_the_published_polynomial():
    pruning = MagnitudePruning(
        0.8, begin_step=10, end_step=30, initial_sparsity=0.2, frequency=1
    )
    assert pruning.sparsity(9) == 0
    assert pruning.sparsity(10) == pytest.approx(0.2)
    assert pruning.sparsity(20) == pytest.approx(0.8 - 0.6 * 0.5**3)
    assert pruning.sparsity(30) == pruning.sparsity(1000) == 0.8


def test_masks_grow_from_initial_to_final_and_hold_in_between():
    pruning = MagnitudePruning(
        0.75, initial_sparsity=0.25, begin_step=2, end_step=11, frequency=3
    )
    watch = Watch()
    model = train(classifier(), pruning, watch, batches=3, epochs=4)
    # After steps 1 to 12: none, then those of steps 2, 5, 8 and of the end, 11.
    chosen_at = [2, 2, 2, 5, 5, 5, 8, 8, 8, 11, 11]
    wanted = [0, *(pruning.sparsity(step) for step in chosen_at)]
    conv, dense = np.transpose(watch.seen)
    assert conv * 270 == pytest.approx([round(x * 270) for x in wanted])
    assert dense * 100 == pytest.approx([round(x * 100) for x in wanted])
    assert wanted[1] == 0.25
    assert zeros(model) == [202 / 270, 0.75]


def test_a_masked_weight_stays_masked():
    watch = Watch(values)
    pruning = MagnitudePruning(0.9, begin_step=0, end_step=8, frequency=1)
    train(classifier(), pruning, watch)
    for before, after in zip(watch.seen, watch.seen[1:], strict=False):
        for old, new in zip(before, after, strict=True):
            assert (new[old == 0] == 0).all()


COMPILED = [{"jit_compile": False}]
if not ON_TORCH:
    COMPILED += [
        {"jit_compile": True},
        {"jit_compile": True, "steps_per_execution": 4},
        {"jit_compile": False, "steps_per_execution": 4},
    ]


@pytest.mark.parametrize("compiled", COMPILED)
def test_no_forward_pass_sees_a_masked_weight(compiled):
    model = train(classifier(**compiled), half_from_the_start())
    assert model.get_layer("dense").seen() == [0.5] * 9


@pytest.mark.skipif(ON_TORCH, reason="torch knows no steps_per_execution")
def test_with_steps_per_execution_masks_are_chosen_after_the_last_step():
    pruning = MagnitudePruning(0.8, begin_step=2, end_step=6, frequency=1)
    model = train(classifier(steps_per_execution=4), pruning, batches=9)
    at_4 = round(100 * pruning.sparsity(4)) / 100
    seen = model.get_layer("dense").seen()
    assert seen == pytest.approx([0] * 4 + [at_4] * 4 + [0.8])


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
        lambda: keras.optimizers.LossScaleOptimizer(adam()),
        lambda: adam(gradient_accumulation_steps=2),
        lambda: adam(use_ema=True, ema_overwrite_frequency=3),
        lambda: adam(global_clipnorm=1.0, loss_scale_factor=2.0),
    ],
    ids=["momentum", "decay", "scaled", "accumulated", "averaged", "clipped"],
)
@pytest.mark.parametrize("jit_compile", [False] if ON_TORCH else [False, True])
def test_masks_are_in_force_inside_the_step(optimizer, jit_compile):
    model = classifier(optimizer(), jit_compile=jit_compile)
    begun = values(model)
    # It looks before `MagnitudePruning` can do anything after the batch.
    watch = Watch()
    train(model, watch, half_from_the_start())
    assert watch.seen == [[0.5, 0.5]] * 9
    assert model.get_layer("dense").seen() == [0.5] * 9
    assert zeros(model) == [0.5, 0.5]
    for old, new in zip(begun, values(model), strict=True):
        assert (new != old)[new != 0].all()  # what is kept is trained
    fresh = classifier(optimizer())
    fresh.optimizer.build(fresh.trainable_variables)
    assert len(model.optimizer.variables) == len(fresh.optimizer.variables)


def test_what_is_kept_trains_as_if_the_rest_was_not_there():
    """Two steps of momentum on one kernel against NumPy."""
    kernel = np.array([[0.1, -2.0], [3.0, 0.2]], dtype="float32")
    inputs = np.array([[1.0, 2.0]], dtype="float32")
    targets = np.array([[1.0, -1.0]], dtype="float32")
    model = chain(layers.Dense(2, use_bias=False), shape=(2,))
    model.layers[0].set_weights([kernel])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.5), "mse", jit_compile=False)
    pruning = half_from_the_start()
    model.fit(np.repeat(inputs, 2, 0), np.repeat(targets, 2, 0), 1, callbacks=[pruning])
    kept = np.array([[0, 1], [1, 0]])
    expected, velocity = kernel * kept, 0
    for _ in range(2):
        gradient = inputs.T @ (inputs @ expected - targets)  # mean over 2 outputs
        velocity = 0.5 * velocity - 0.1 * gradient
        expected = (expected + velocity) * kept
    np.testing.assert_allclose(values(model)[0], expected, rtol=1e-5)


def test_averages_end_with_zeros():
    pruning = MagnitudePruning(0.5, begin_step=2, end_step=8, frequency=1)
    before_end = Watch(values)
    optimizer = adam(use_ema=True, ema_momentum=0.5)
    model = train(classifier(optimizer), pruning, before_end)
    assert zeros(model) == [0.5, 0.5]
    for last, average in zip(before_end.seen[-1], values(model), strict=True):
        assert ((last == 0) == (average == 0)).all()
        assert (last != average)[last != 0].all()


class Shift(keras.constraints.Constraint):
    def __call__(self, weights):
        return weights + 0.25


def test_a_constraint_keeps_acting_on_what_is_kept():
    unit = keras.constraints.UnitNorm(axis=[0, 1, 2])
    model = classifier(constraint=unit)
    watch = Watch(lambda model: values(model)[0])
    train(model, watch, half_from_the_start())
    assert kernels(model)[0].constraint is unit
    assert kernels(model)[1].constraint is None
    norms = [np.sqrt((kernel**2).sum((0, 1, 2))) for kernel in watch.seen]
    # The norms would be smaller if masks came only after the constraint.
    np.testing.assert_allclose(norms, 1, rtol=1e-4)
    assert [(kernel == 0).mean() for kernel in watch.seen] == [0.5] * 9


def test_a_constraint_does_not_fill_zeros():
    model = classifier(keras.optimizers.SGD(1e-6), constraint=Shift())
    (begun, _) = values(model)
    train(model, half_from_the_start(), batches=4)
    (kernel, _) = values(model)
    assert (kernel == 0).mean() == 0.5
    np.testing.assert_allclose(kernel[kernel != 0] - begun[kernel != 0], 1, rtol=1e-3)


def test_fits_without_masks_before_and_after_are_as_ever():
    model = train(classifier())
    assert zeros(model) == [0, 0]
    train(model, half_from_the_start())
    assert zeros(model) == [0.5, 0.5]
    train(model)
    assert zeros(model) == [0, 0]


def loaded(path):
    """The model in a file; an optimizer whose state does not fit is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return keras.models.load_model(path, custom_objects={"Watched": Watched})


def test_the_saved_model_is_plain(tmp_path):
    plain = train(classifier())
    model = train(classifier(), half_from_the_start())
    names = [[x.name for x in each.optimizer.variables] for each in (plain, model)]
    assert names[0] == names[1]
    assert len(model.weights) == len(plain.weights)
    model.save(tmp_path / "model.keras")
    again = loaded(tmp_path / "model.keras")
    for old, new in zip(weights(model), weights(again), strict=True):
        np.testing.assert_array_equal(old, new)
    saved, restored = model.optimizer.variables, again.optimizer.variables
    for old, new in zip(saved, restored, strict=True):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(old), ops.convert_to_numpy(new)
        )
    assert int(again.optimizer.iterations) == 9


@pytest.mark.parametrize("first", [False, True])
def test_models_saved_in_between_are_plain_and_sparse(tmp_path, first):
    path = tmp_path / "model.keras"
    saving = keras.callbacks.ModelCheckpoint(path)
    callbacks = [half_from_the_start(), saving]
    train(classifier(), *(callbacks[::-1] if first else callbacks))
    assert zeros(loaded(path)) == [0.5, 0.5]


def test_a_batchs_end_is_no_obstacle_to_saving(tmp_path):
    path = tmp_path / "model.keras"
    saving = keras.callbacks.ModelCheckpoint(path, save_freq=4)
    train(classifier(), half_from_the_start(), saving)
    again = loaded(path)
    assert int(again.optimizer.iterations) == 8
    assert zeros(again) == [0.5, 0.5]


class Interrupt(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        if batch == 4:
            raise KeyboardInterrupt


def interrupted(model, pruning):
    with pytest.raises(KeyboardInterrupt):
        train(model, pruning, Interrupt())
    return model


@pytest.mark.parametrize("same", [False, True])
def test_after_an_interruption_fit_goes_on(same):
    limit = keras.constraints.MaxNorm(3)
    plain = train(classifier())
    pruning = half_from_the_start()
    model = interrupted(classifier(constraint=limit), pruning)
    train(model, pruning if same else half_from_the_start())
    assert zeros(model) == [0.5, 0.5]
    assert kernels(model)[0].constraint is limit
    assert len(model.optimizer.variables) == len(plain.optimizer.variables)
    train(model)
    assert zeros(model) == [0, 0]


def test_after_an_interruption_masks_can_be_removed(tmp_path):
    pruning = half_from_the_start()
    model = interrupted(classifier(), pruning)
    train(model, batches=2)
    assert zeros(model) == [0.5, 0.5]  # still in force
    pruning.on_train_end()
    model.save(tmp_path / "model.keras")
    assert zeros(loaded(tmp_path / "model.keras")) == [0.5, 0.5]
    train(model)
    assert zeros(model) == [0, 0]


@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize("same", [False, True])
def test_a_training_in_parts_is_that_in_one(scope, same):
    def pruning():
        return MagnitudePruning(
            0.8, begin_step=2, end_step=23, frequency=4, scope=scope
        )

    # Parts of 9 steps end between two choices.
    whole = train(classifier(), pruning(), epochs=3)
    first = pruning()
    parts = train(classifier(), first, epochs=1)
    train(parts, first if same else pruning(), epochs=3, initial_epoch=1)
    for old, new in zip(weights(whole), weights(parts), strict=True):
        np.testing.assert_array_equal(old, new)


def test_masks_begin_at_once_where_the_schedule_is_already():
    model = train(classifier())
    pruning = MagnitudePruning(0.6, begin_step=3, end_step=9)
    train(model, pruning, batches=2)
    seen = model.get_layer("dense").seen()
    assert seen == pytest.approx([0] * 9 + [0.6] * 2)


def test_weights_that_another_callback_restores_are_masked(tmp_path):
    path = tmp_path / "dense.weights.h5"
    model = train(classifier())
    model.save_weights(path)

    class Restore(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.model.load_weights(path)

    train(model, half_from_the_start(), Restore(), batches=3)
    assert model.get_layer("dense").seen()[-3:] == [0.5] * 3


def test_the_last_choice_holds_for_a_generator_that_ends_unannounced():
    model = classifier()

    def batches():
        for _ in range(4):
            yield images(model, 2), np.ones((2, 10), dtype="float32")

    class AtEnd(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.zeros = zeros(self.model)

    pruning = MagnitudePruning(0.5, begin_step=1, end_step=4, frequency=1)
    at_end = AtEnd()
    model.fit(batches(), verbose=0, callbacks=[pruning, at_end])
    assert at_end.zeros == zeros(model) == [0.5, 0.5]


def test_globally_the_smallest_of_all_kernels_go():
    model = classifier()
    for kernel, factor in zip(kernels(model), (1.0, 0.01), strict=True):
        kernel.assign(kernel * factor)
    all_of_them = np.concatenate([np.abs(x).ravel() for x in values(model)])
    limit = np.sort(all_of_them)[148 - 1]  # of 370
    expected = [np.abs(x) > limit for x in values(model)]
    masked = zero_smallest_weights(model, 0.4, scope="global")
    for kernel, kept in zip(values(masked), expected, strict=True):
        # The largest of the small kernel stays, and another one goes for it.
        assert ((kernel != 0) != kept).sum() == 1
    assert all_zeros(masked) == 148 / 370
    assert zeros(masked)[1] == 0.99

    train(model, half_from_the_start(scope="global"))
    assert all_zeros(model) == 0.5
    assert zeros(model)[0] < zeros(model)[1]


def test_neither_scope_empties_a_kernel():
    large, small = np.arange(1.0, 101), np.full((1, 5), 1e-3)
    for scope in ("layer", "global"):
        kept = largest_masks([large, small], 0.95, scope)
        assert kept[1].tolist() == [[True, False, False, False, False]]
    assert [mask.sum() for mask in largest_masks([large, small], 1, "global")] == [1, 1]


@given(
    first=st.lists(st.integers(-3, 3), min_size=1, max_size=40),
    second=st.lists(st.integers(-3, 3), min_size=1, max_size=40),
    sparsity=st.floats(0, 1),
    scope=st.sampled_from(["layer", "global"]),
)
def test_the_masks_drop_exactly_the_smallest(first, second, sparsity, scope):
    arrays = [np.array(first), np.array(second).reshape(1, -1)]
    masks = largest_masks(arrays, sparsity, scope)
    assert [mask.shape for mask in masks] == [array.shape for array in arrays]
    assert all(
        mask.flat[np.abs(x).argmax()] for mask, x in zip(masks, arrays, strict=True)
    )
    parts = [[0], [1]] if scope == "layer" else [[0, 1]]
    for part in parts:
        entries = np.concatenate([np.abs(arrays[i]).ravel() for i in part])
        kept = np.concatenate([masks[i].ravel() for i in part])
        movable = np.concatenate(
            [np.arange(arrays[i].size) != np.abs(arrays[i]).argmax() for i in part]
        )
        wanted = round(sparsity * entries.size)
        assert (~kept).sum() == min(wanted, movable.sum())
        order = [i for i in np.argsort(entries, kind="stable") if movable[i]]
        assert sorted(order[:wanted]) == np.flatnonzero(~kept).tolist()


def test_a_zeroed_copy_costs_the_same_and_leaves_the_model_alone():
    model = small_unet()
    inputs = images(model)
    before = outputs(model, inputs)
    masked = zero_smallest_weights(model, 0.6)
    assert masked.count_params() == model.count_params()
    assert zeros(masked) == pytest.approx([0.6] * 6, abs=0.02)
    np.testing.assert_array_equal(outputs(model, inputs), before)
    for weight, old, new in zip(
        model.weights, weights(model), weights(masked), strict=True
    ):
        kept = new != 0
        np.testing.assert_array_equal(new[kept], old[kept])
        if "kernel" not in weight.name:
            np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"final_sparsity": 1.0}, "final_sparsity must be above 0 and below 1, got 1"),
        ({"initial_sparsity": 0.9}, r"must be 0 to final_sparsity \(0.5\), got 0.9"),
        ({"begin_step": 5}, "below end_step, got 5 and 5"),
        ({"begin_step": -1}, "at least 0 and below end_step, got -1 and 5"),
        ({"frequency": 0}, "frequency must be at least 1, got 0"),
        ({"scope": "model"}, "scope must be one of layer, global, got 'model'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        MagnitudePruning(
            **{"final_sparsity": 0.5, "begin_step": 0, "end_step": 5, **arguments}
        )


def test_wrong_arguments_of_zeroing_are_refused():
    with pytest.raises(UsageError, match="sparsity must be above 0.*got 0"):
        zero_smallest_weights(small_unet(), 0)
    with pytest.raises(UsageError, match="scope must be one of layer, global, got 'a'"):
        zero_smallest_weights(small_unet(), 0.5, scope="a")


def test_a_model_without_a_kernel_is_refused():
    model = classifier()
    for layer in model.layers:
        layer.trainable = layer.name == "batch_normalization"
    model.compile(adam(), "mse")
    with pytest.raises(ModelError, match="chain must have a trainable kernel.*none"):
        zero_smallest_weights(model, 0.5)
    model.layers[1].trainable = True
    model.compile(adam(), "mse")
    with pytest.raises(ModelError, match="chain must have a trainable kernel.*none"):
        train(model, half_from_the_start())
