"""Rules of convolutions."""

import keras
import numpy as np
from keras import layers

from segshrink.pruning import apply_channel_masks, plan_pruning
from segshrink.pruning.graph import trace

from ..networks import with_random_weights
from .tracing import around, assert_exact, groups_of, reasons_of


def test_a_mixing_activation_of_a_layer_keeps_its_outputs_only():
    middle = [layers.Conv2D(4, 1, activation="softmax", name="mixes")]
    model = around(middle)
    assert groups_of(model) == {("first",): 8}
    assert "activation softmax is not known" in reasons_of(model)["mixes"]
    assert_exact(model)


def test_depthwise_outputs_leave_with_their_input():
    deep = layers.DepthwiseConv2D(3, depth_multiplier=3, name="deep")
    model = around([deep])
    graph = trace(model)
    roots = graph.space.roots(graph.layers["deep"].made[0].ids).reshape(8, 3)
    assert (roots == roots[:, :1]).all() and len(np.unique(roots)) == 8
    smaller = apply_channel_masks(model, {"first": np.arange(8) != 2})
    kept = np.delete(np.arange(24), [6, 7, 8])
    np.testing.assert_array_equal(
        smaller.get_layer("deep").bias.numpy(), deep.bias.numpy()[kept]
    )


def test_grouped_convolution_keeps_groups_of_equal_size():
    model = around([layers.Conv2D(12, 3, groups=2, name="grouped")])
    # 4 pairs of inputs, one of each group, and 6 pairs of outputs.
    assert groups_of(model) == {("first",): 4, ("grouped",): 6}
    assert assert_exact(model).get_layer("grouped").groups == 2


def test_channels_first():
    image = keras.Input((3, 8, 8))
    options = {"data_format": "channels_first", "padding": "same"}
    x = layers.Conv2D(8, 3, name="first", **options)(image)
    x = layers.BatchNormalization(axis=1)(x)
    y = layers.Conv2D(8, 3, name="second", **options)(x)
    x = layers.Concatenate(axis=1)([image, layers.Add()([x, y]), y])
    x = layers.GlobalAveragePooling2D(data_format="channels_first")(x)
    model = with_random_weights(keras.Model(image, layers.Dense(2)(x)))
    assert groups_of(model) == {("first", "second"): 8}
    plan = plan_pruning(model, keep=0.5, multiple_of=1)
    smaller = plan.apply(model)
    assert smaller.layers[-1].kernel.shape == (3 + 4 + 4, 2)
    assert smaller.count_params() == plan.parameters_after
    if keras.backend.backend() != "tensorflow":  # it has no such convolution on a CPU
        assert_exact(model)


def test_layers_as_activations_are_followed():
    kinds = [layers.LeakyReLU(), layers.ReLU(6.0), layers.Activation("gelu")]
    middle = [layers.Conv2D(8, 1, activation=kind) for kind in kinds]
    model = around(middle)
    assert sorted(groups_of(model).values()) == [8, 8, 8, 8]
    assert_exact(model)
