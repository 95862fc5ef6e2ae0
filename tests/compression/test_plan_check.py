"""A plan in a file is held against both models."""

from pathlib import Path

import keras
import pytest

from segshrink.compression.plan_check import require_plan_between
from segshrink.errors import UsageError
from segshrink.pruning import plan_pruning


def _network() -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", name="first")(image)
    x = keras.layers.Conv2D(8, 3, padding="same", name="second")(x)
    return keras.Model(image, keras.layers.Conv2D(4, 1, name="logits")(x))


@pytest.fixture(scope="module")
def pruned():
    teacher = _network()
    plan = plan_pruning(teacher, keep=0.5, multiple_of=1)
    return plan.as_record(), teacher, plan.apply(teacher)


def _with_layer(record, **changes):
    first, *others = record.layers
    return record.model_copy(
        update={"layers": (first.model_copy(update=changes), *others)}
    )


def test_the_plan_of_two_models_is_taken(pruned):
    require_plan_between(Path("p.json"), *pruned)


LIES = {
    "negative": (lambda r: _with_layer(r, kept=(-1, 2, 3, 4)), "ascend from 0 to 7"),
    "too high": (lambda r: _with_layer(r, kept=(1, 2, 3, 8)), "ascend from 0 to 7"),
    "twice": (lambda r: _with_layer(r, kept=(1, 1, 2, 3)), "ascend from 0 to 7"),
    "empty": (lambda r: _with_layer(r, kept=()), "ascend from 0 to 7, got []"),
    "too long": (
        lambda r: _with_layer(r, kept=(0, 1, 2, 3, 4)),
        "5 kept channels listed, 4 counted",
    ),
    "other layer": (
        lambda r: _with_layer(r, name="third"),
        "third: no such layer in the teacher",
    ),
    "other channels": (
        lambda r: _with_layer(r, channels_before=9),
        "first: 9 channels, but the teacher gives (None, 8, 8, 8)",
    ),
    "layer twice": (
        lambda r: r.model_copy(update={"layers": r.layers * 2}),
        "first: listed twice",
    ),
    "no layers": (lambda r: r.model_copy(update={"layers": ()}), "lists no layer"),
    "other teacher": (
        lambda r: r.model_copy(update={"parameters_before": 5}),
        "5 weights planned for the teacher",
    ),
    "other student": (
        lambda r: r.model_copy(update={"parameters_after": 5}),
        "5 weights planned for the student",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_plan_that_lies_is_refused(pruned, lie):
    change, expected = LIES[lie]
    record, teacher, student = pruned
    with pytest.raises(UsageError, match="p.json: this plan does not lead") as caught:
        require_plan_between(Path("p.json"), change(record), teacher, student)
    assert expected in str(caught.value)
