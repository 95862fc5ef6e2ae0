"""Ranges and choices, and what is wrong with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from segshrink.search.space import Dimension

SCALARS = st.none() | st.booleans() | st.integers() | st.text()
SCALARS |= st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({}, "give one of float, int and choice, got none of them"),
        (
            {"float": [0, 1], "choice": [1, 2]},
            "give one of float, int and choice, got float and choice",
        ),
        ([1, 2], "must be a mapping such as {float: [0.1, 1.0]}"),
        ({"float": [1, 1]}, "must be low < high, got 1.0, 1.0"),
        ({"int": [3, 2]}, "must be low < high, got 3, 2"),
        ({"int": [1.5, 2]}, "valid integer"),
        ({"int": [1, 2, 3]}, "at most 2 items"),
        ({"float": [0, float("inf")]}, "finite"),
        ({"float": [0, 1], "log": True}, "log needs low > 0, got 0.0"),
        ({"int": [0, 8], "log": True}, "log needs low > 0, got 0"),
        (
            {"int": [1, 9], "log": True, "step": 4},
            "give log or step, not both",
        ),
        ({"float": [0, 1], "step": 1}, "step: for int only, drop it"),
        ({"choice": [1, 2], "step": 1}, "step: for int only, drop it"),
        ({"choice": [1, 2], "log": True}, "log: no effect on choice, drop it"),
        ({"int": [1, 9], "step": 0}, "greater than or equal to 1"),
        (
            {"int": [1, 10], "step": 4},
            "step: steps of 4 from 1 do not end at 10; write int: [1, 9]",
        ),
        (
            {"int": [8, 10], "step": 4},
            "step: steps of 4 from 8 do not end at 10; write int: [8, 12]",
        ),
        ({"choice": [1]}, "must be at least two values; set the field itself"),
        ({"choice": []}, "must be at least two values"),
        ({"choice": [1, 2, 1]}, "must be distinct values"),
        ({"choice": [1, 1.0]}, "must be distinct values"),
        ({"choice": [1, True]}, "must be distinct values"),
        ({"choice": [{"a": 1}, '{"a": 1}']}, "must be distinct values"),
        ({"choice": [{"a": 1, "b": 2}, {"b": 2, "a": 1}]}, "must be distinct values"),
        (
            {"choice": [1, float("nan")]},
            "values must be numbers, words, true, false, null",
        ),
        ({"choice": [1, {2}]}, "values must be numbers, words, true, false, null"),
        ({"choice": [1, 2], "when": {"seed": []}}, "when: no value is listed for seed"),
        (
            {"choice": [1, 2], "when": {"seed": float("nan")}},
            "values must be numbers, words, true, false, null",
        ),
        ({"choice": [1, 2], "whem": {}}, "Extra inputs are not permitted"),
        ({"float": [0, 1], "log": "maybe"}, "valid boolean"),
    ],
)
def test_faults(data, fault):
    with pytest.raises(ValidationError) as caught:
        Dimension.model_validate(data)
    assert fault in str(caught.value)


def test_all_faults_of_a_range_at_once():
    with pytest.raises(ValidationError) as caught:
        Dimension(float=(2, 1), step=1)
    assert "step: for int only, drop it; must be low < high" in str(caught.value)


def test_labels_are_scalars():
    choice = (None, True, 2, 0.5, "a", ["a", None], {"b": 1, "a": [2]})
    dimension = Dimension(choice=choice)
    labels = (None, True, 2, 0.5, "a", '["a", null]', '{"a": [2], "b": 1}')
    assert dimension.labels == labels
    assert [dimension.label(value) for value in choice] == list(labels)
    with pytest.raises(KeyError):
        dimension.value("b")


def test_numbers_are_their_own_labels():
    dimension = Dimension(float=(0, 1))
    assert dimension.labels == ()
    assert dimension.label(0.25) == 0.25
    assert dimension.value(0.25) == 0.25


@given(st.lists(VALUES, min_size=2, max_size=5))
def test_labels_lead_back_to_their_values(values):
    try:
        dimension = Dimension(choice=tuple(values))
    except ValidationError as error:
        assert "distinct" in str(error)  # noqa: PT017
        return
    for value in values:
        label = dimension.label(value)
        assert label is None or isinstance(label, str | int | float)
        back = dimension.value(label)
        assert back == value
        assert type(back) is type(value)


def test_a_value_may_be_changed_by_who_got_it():
    dimension = Dimension(choice=({"a": 1}, {"b": 1}))
    dimension.value('{"a": 1}')["c"] = 2
    assert dimension.choice == ({"a": 1}, {"b": 1})


@pytest.mark.parametrize(
    ("dimension", "inside", "outside"),
    [
        (Dimension(float=(0, 1)), [0, 0.3, 1.0], [-0.1, 1.1, None, "0", True]),
        (Dimension(int=(8, 24), step=8), [8, 16, 24.0], [0, 9, 32, 8.5, False]),
        (Dimension(int=(1, 3)), [1, 2, 3], [0, 4, 1.5]),
        (Dimension(choice=(1, "a", None)), [1, 1.0, "a", None], [True, "b", 0]),
        (Dimension(choice=({"a": 1}, [2])), [{"a": 1.0}, [2]], [{"a": 2}, 2]),
    ],
)
def test_values_that_can_be_drawn(dimension, inside, outside):
    assert all(map(dimension.holds, inside))
    assert not any(map(dimension.holds, outside))


@pytest.mark.parametrize(
    "data",
    [
        {"float": [0.1, 1.0], "log": True},
        {"int": [8, 24], "step": 8, "when": {"student.kind": ["compact"]}},
        {"choice": [None, False, 0.5, {"a": [1]}], "when": {"seed": None}},
    ],
)
def test_the_record_is_what_was_given(data):
    assert Dimension.model_validate(data).as_record() == data
