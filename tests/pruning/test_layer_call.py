"""Rules of custom layers, right and wrong."""

import keras
import pytest
from keras import layers

from segshrink.errors import UsageError
from segshrink.pruning import RULES, Channels, plan_pruning
from segshrink.pruning.graph import trace

from .networks import images, outputs, relative_difference
from .rules.tracing import around, reasons_of


class Gate(keras.Layer):
    """One learned factor per channel."""

    def build(self, input_shape):
        self.factor = self.add_weight(shape=(input_shape[-1],), name="factor")

    def call(self, inputs):
        return inputs * self.factor


def gate_rule(call):
    ids = call.channels(-1)
    call.slice(call.layer.factor, 0, ids)
    return Channels(call.axis(), ids)


def test_a_custom_layer_is_frozen_until_it_has_a_rule():
    model = around([Gate(name="gate")])
    assert "gate (Gate): no rule" in reasons_of(model)["first"]
    rules = {Gate: gate_rule}
    plan = plan_pruning(model, keep=0.5, multiple_of=1, rules=rules)
    smaller, inputs = plan.apply(model), images(model)
    assert smaller.get_layer("gate").factor.shape == (4,)
    expected = outputs(plan.zero(model), inputs)
    assert relative_difference(outputs(smaller, inputs), expected) < 1e-4


def test_a_subclass_is_not_taken_for_its_base():
    class Conv2D(layers.Conv2D):
        pass

    model = around([Conv2D(8, 1, name="mine")])
    assert "mine (Conv2D): no rule" in reasons_of(model)["first"]
    rules = {Conv2D: RULES[layers.Conv2D]}
    assert plan_pruning(model, keep=0.5, multiple_of=1, rules=rules).groups


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda call: call.slice(call.layer.factor * 1, 0, call.channels()), "named a"),
        (
            lambda call: call.slice(call.layer.factor, 0, call.new(3)),
            "axis 0 of weight 'factor' has 8 entries, but its rule gave 3 channels",
        ),
    ],
)
def test_a_wrong_rule_is_refused(rule, message):
    with pytest.raises(ValueError, match=message):
        trace(around([Gate(name="gate")]), {Gate: rule})


def test_a_rule_that_gives_nothing_is_refused():
    with pytest.raises(UsageError, match="gate: its rule must give the Channels"):
        trace(around([Gate(name="gate")]), {Gate: lambda call: None})


def test_a_rule_that_gives_another_number_of_channels_freezes():
    def half(call):
        return Channels(call.axis(), call.channels(-1)[:4])

    frozen = trace(around([Gate(name="gate")]), {Gate: half}).frozen()
    assert "its rule gave 4 channels along axis 3" in frozen[0].reason


def test_an_unused_rule_changes_nothing():
    model = around([])
    assert len(trace(model, {Gate: gate_rule}).groups()) == 1
