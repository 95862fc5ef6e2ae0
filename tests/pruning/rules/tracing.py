"""Short views of a traced model, for the tests of rules."""

from keras import layers

from segshrink.pruning import plan_pruning
from segshrink.pruning.graph import trace

from ..networks import chain, images, outputs, relative_difference


def groups_of(model):
    return {group.layers: len(group.units) for group in trace(model).groups()}


def reasons_of(model):
    return {kept.layer: kept.reason for kept in trace(model).frozen()}


def assert_exact(model, keep=0.5):
    plan = plan_pruning(model, keep=keep, multiple_of=1)
    smaller, inputs = plan.apply(model), images(model)
    expected = outputs(plan.zero(model), inputs)
    assert relative_difference(outputs(smaller, inputs), expected) < 1e-4
    assert smaller.count_params() == plan.parameters_after < plan.parameters_before
    return smaller


def around(middle, filters=8, shape=(8, 8, 3)):
    """A convolution, `middle`, and a convolution that gives the output."""
    first = layers.Conv2D(filters, 3, padding="same", name="first")
    return chain(first, *middle, layers.Conv2D(2, 1, name="last"), shape=shape)
