"""Calls of models, followed by path."""

import keras
import pytest

from segshrink.errors import ModelError
from segshrink.models.calls import (
    as_functional,
    calls,
    graphs_by_path,
    nodes_in_order,
    operations_by_path,
    run_calls,
)


@pytest.fixture(scope="module")
def model():
    """A layer that is called twice, and a nested model."""
    inner = keras.Sequential(
        [keras.Input((4, 4, 3)), keras.layers.Conv2D(3, 1, name="conv")], name="block"
    )
    twice = keras.layers.ReLU(name="twice")
    images = keras.Input((4, 4, 3), name="images")
    return keras.Model(images, twice(inner(twice(images))), name="outer")


def test_every_call_comes_after_those_that_it_depends_on(model):
    names = [node.operation.name for node in nodes_in_order(model)]
    assert names == ["images", "twice", "block", "twice"]
    assert [path for path, *_ in calls(model)] == ["twice", "block/conv", "twice"]


def test_layers_and_nested_models_have_paths(model):
    assert set(operations_by_path(model)) >= {"twice", "block/conv"}
    assert list(graphs_by_path(model)) == ["block"]


def test_outputs_are_those_of_the_last_calls(model):
    def compute(path, node, inputs):
        return [f"{path}({', '.join(inputs)})"]

    assert run_calls(model, ["x"], compute) == ["twice(block/conv(twice(x)))"]


def test_only_built_graphs_can_be_followed():
    class Subclassed(keras.Model):
        pass

    with pytest.raises(ModelError, match="only Functional and Sequential models"):
        as_functional(Subclassed())
    unbuilt = keras.Sequential([keras.layers.Dense(2)])
    with pytest.raises(ModelError, match="must be built first"):
        as_functional(unbuilt)
