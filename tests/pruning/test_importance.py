import keras
import numpy as np
import pytest
from keras import layers

from segshrink.pruning.criteria import l2
from segshrink.pruning.graph import trace
from segshrink.pruning.importance import group_weights

from .networks import chain, set_weights, with_random_weights


def scores(model, *names):
    """L2 scores of the group that the named layers make, by channel of the first."""
    graph = trace(model)
    (group,) = (group for group in graph.groups() if group.layers == names)
    return l2(group_weights(graph, group))


def test_l2_without_normalization_counts_kernel_and_bias():
    model = chain(layers.Conv2D(2, 1, name="a"), layers.Dense(1), shape=(1, 1, 2))
    set_weights(model.get_layer("a"), [[[[3, 1], [0, 2]]]], [4, 2])
    np.testing.assert_allclose(scores(model, "a"), [5.0, 3.0])


def test_l2_with_normalization_is_the_norm_of_the_folded_kernel():
    model = chain(
        layers.Conv2D(2, 1, name="a"),
        layers.BatchNormalization(epsilon=0.5, name="n"),
        layers.Dense(1),
        shape=(1, 1, 2),
    )
    set_weights(model.get_layer("a"), [[[[3, 1], [4, 0]]]], [9, 9])
    gamma, beta, mean, variance = [-2.0, 6], [7.0, 7], [1.0, 1], [3.5, 3.5]
    set_weights(model.get_layer("n"), gamma, beta, mean, variance)
    # 5 * 2 / sqrt(4) and 1 * 6 / sqrt(4): the order is the other way round without it.
    np.testing.assert_allclose(scores(model, "a"), [5.0, 3.0], rtol=1e-6)


def test_l2_does_not_change_if_normalization_undoes_the_change():
    model = chain(
        layers.Conv2D(4, 3, use_bias=False, name="a"),
        layers.BatchNormalization(epsilon=0.0, name="n"),
        layers.Conv2D(1, 1),
    )
    before = scores(model, "a")
    factors = np.array([1.0, 10, 0.1, 3])
    model.get_layer("a").kernel.assign(model.get_layer("a").kernel * factors)
    norm = model.get_layer("n")
    norm.moving_mean.assign(norm.moving_mean * factors)
    norm.moving_variance.assign(norm.moving_variance * factors**2)
    np.testing.assert_allclose(scores(model, "a"), before, rtol=1e-5)


def test_l2_sums_squares_over_operands_each_with_its_own_normalization():
    image = keras.Input((4, 4, 3))
    a = layers.Conv2D(5, 1, use_bias=False, name="a")(image)
    a = layers.BatchNormalization(name="n")(a)
    b = layers.Conv2D(5, 1, name="b")(image)
    x = layers.BatchNormalization(name="after")(layers.Add()([a, b]))
    model = with_random_weights(keras.Model(image, layers.Conv2D(1, 1)(x)))
    kernel_a = model.get_layer("a").kernel.numpy()
    norm = model.get_layer("n")
    factor = norm.gamma.numpy() ** 2 / (norm.moving_variance.numpy() + norm.epsilon)
    kernel_b, bias_b = (weight.numpy() for weight in model.get_layer("b").weights)
    expected = np.sqrt(
        (kernel_a**2).sum((0, 1, 2)) * factor + (kernel_b**2).sum((0, 1, 2)) + bias_b**2
    )
    np.testing.assert_allclose(scores(model, "a", "b"), expected, rtol=1e-5)


def test_normalization_after_a_concatenation_counts_for_both_inputs():
    image = keras.Input((4, 4, 3))
    a = layers.Conv2D(2, 1, use_bias=False, name="a")(image)
    b = layers.Conv2D(3, 1, use_bias=False, name="b")(image)
    x = layers.Concatenate()([a, b])
    x = layers.BatchNormalization(scale=False, epsilon=0.0, name="n")(x)
    model = with_random_weights(keras.Model(image, layers.Conv2D(1, 1)(x)))
    deviation = np.sqrt(model.get_layer("n").moving_variance.numpy())
    for name, part in (("a", deviation[:2]), ("b", deviation[2:])):
        norms = np.sqrt((model.get_layer(name).kernel.numpy() ** 2).sum((0, 1, 2)))
        np.testing.assert_allclose(scores(model, name), norms / part, rtol=1e-5)


def test_several_normalizations_of_one_channel_count_by_their_mean_square():
    image = keras.Input((4, 4, 1))
    a = layers.Conv2D(2, 1, use_bias=False, name="a")(image)
    one = layers.BatchNormalization(epsilon=0.0, name="one")(a)
    two = layers.BatchNormalization(epsilon=0.0, name="two")(a)
    x = layers.Concatenate()([one, two])
    model = keras.Model(image, layers.Conv2D(1, 1)(x))
    model.get_layer("a").set_weights([np.ones((1, 1, 1, 2))])
    model.get_layer("one").gamma.assign([1.0, 7.0])
    model.get_layer("two").gamma.assign([5.0, 1.0])
    np.testing.assert_allclose(scores(model, "a"), np.sqrt([13.0, 25.0]), rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "kernel", "axes"),
    [
        (layers.Conv2D(4, 3, use_bias=False, name="a"), "kernel", (0, 1, 2)),
        (layers.Conv2DTranspose(4, 3, use_bias=False, name="a"), "kernel", (0, 1, 3)),
        (
            layers.SeparableConv2D(4, 3, use_bias=False, name="a"),
            "pointwise_kernel",
            (0, 1, 2),
        ),
        (layers.Dense(4, use_bias=False, name="a"), "kernel", (0,)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_kind_of_kernel_is_read_along_its_output_axis(layer, kernel, axes):
    model = chain(layer, layers.Conv2D(1, 1))
    values = getattr(model.get_layer("a"), kernel).numpy()
    np.testing.assert_allclose(
        scores(model, "a"), np.sqrt((values**2).sum(axes)), rtol=1e-5
    )


def test_a_unit_counts_all_its_channels():
    model = chain(
        layers.Conv2D(4, 1, use_bias=False, name="a"),
        layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False, name="d"),
        layers.Conv2D(6, 1, groups=2, use_bias=False, name="g"),
        layers.Conv2D(1, 1),
    )
    a = (model.get_layer("a").kernel.numpy() ** 2).sum((0, 1, 2))
    d = (model.get_layer("d").kernel.numpy() ** 2).sum((0, 1, 3))
    # Group 1 of `g` reads both outputs of channels 0 and 1, group 2 those of 2 and 3.
    expected = np.sqrt((a + d)[:2] + (a + d)[2:])
    np.testing.assert_allclose(scores(model, "a", "d"), expected, rtol=1e-5)
    g = (model.get_layer("g").kernel.numpy() ** 2).sum((0, 1, 2))
    np.testing.assert_allclose(scores(model, "g"), np.sqrt(g[:3] + g[3:]), rtol=1e-5)
