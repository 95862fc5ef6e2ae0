import inspect

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from segshrink import errors
from segshrink.errors import (
    MissingExtraError,
    SegshrinkError,
    fault_lines,
    fault_message,
    first_line,
)

ALL = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if kind.__module__ == errors.__name__ and not issubclass(kind, Warning)
]


@pytest.mark.parametrize("kind", ALL)
def test_one_hierarchy(kind):
    assert issubclass(kind, SegshrinkError)


@pytest.mark.parametrize("kind", ALL)
def test_exit_code_2_for_faults_that_the_user_can_correct_and_1_otherwise(kind):
    mends = not (kind is SegshrinkError or kind.__name__ in _OURS)
    assert kind.exit_code == (2 if mends else 1)


_OURS = {"TrainingError", "ExportError"}


def test_a_missing_extra_names_the_command():
    error = MissingExtraError("The search", "search")
    assert str(error) == (
        "The search needs packages that are not installed. "
        "Install them with: pip install 'segshrink[search]'"
    )


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n\n one \n two"), "one"),
        (ValueError(" "), "ValueError"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_first_line_of_an_error(error, line):
    assert first_line(error) == line


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rate: float
    names: list[str] = []

    @field_validator("rate")
    @classmethod
    def _above_zero(cls, rate):
        if rate <= 0:
            raise ValueError("must be above 0")
        return rate


def _faults(data, **options):
    with pytest.raises(ValidationError) as caught:
        _Step.model_validate(data)
    return fault_lines(caught.value, **options)


def test_faults_of_pydantic_as_text():
    assert _faults({"rate": -1, "names": ["a", 2], "more": "x" * 999}) == [
        "rate: must be above 0 (got -1)",
        "names.1: Input should be a valid string (got 2)",
        f"more: Extra inputs are not permitted (got '{'x' * 27}...{'x' * 28}')",
    ]
    # A whole section is not repeated.
    assert _faults({}) == ["rate: Field required"]
    assert _faults({}, section="train.step") == ["train.step.rate: Field required"]
    assert _faults(3, whole="step")[0].startswith("step: Input should be a valid dict")
    assert _faults({}, name=lambda place: ("the", *place)) == [
        "the.rate: Field required"
    ]


def test_one_message_of_all_faults():
    assert fault_message("a.yaml", ["x"]) == "a.yaml: 1 fault.\n  x"
    assert fault_message("a.yaml", ["x", "y"]) == "a.yaml: 2 faults.\n  x\n  y"
    assert fault_message("a.yaml", ["x", "y", "z"], most=1) == (
        "a.yaml: 3 faults.\n  x\n  and 2 more."
    )
