"""A dimension of the space: the values that a search draws for one field."""

import copy
import json
from collections.abc import Iterator
from typing import Any, TypeAlias

from pydantic import Field, field_validator, model_validator

from segshrink.recipe import Plain, Settings
from segshrink.search.space.fields import is_same

# The fields of a dimension are named after types, and hide these in the class.
_Float: TypeAlias = float
_Int: TypeAlias = int
Scalar: TypeAlias = str | float | int | bool | None


class Dimension(Settings):
    """The values of one field, as a range or a choice.

    Exactly one of `float` (low, high), `int` (low, high) and `choice`, both ends
    included. `log` draws a range evenly in the logarithm. `step` is the distance of the
    values of `int`. `when` maps other places of the recipe to a value, or a list of
    them, that they must have; otherwise the recipe's own value of this field stays.
    """

    float: tuple[_Float, _Float] | None = None
    int: tuple[_Int, _Int] | None = None
    choice: tuple[Any, ...] | None = None
    log: bool = False
    step: _Int | None = Field(None, ge=1)
    when: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _some_values(cls, data: Any) -> Any:
        kinds = ("float", "int", "choice")
        if isinstance(data, Dimension):
            return data
        if not isinstance(data, dict):
            raise ValueError(
                "must be a mapping such as {float: [0.1, 1.0]}, {int: [1, 8]} or "
                "{choice: [a, b]}"
            )
        given = [kind for kind in kinds if data.get(kind) is not None]
        if len(given) != 1:
            received = " and ".join(given) or "none of them"
            raise ValueError(f"give one of float, int and choice, got {received}")
        return data

    @field_validator("choice")
    @classmethod
    def _distinct(cls, choice: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        if choice is None:
            return None
        labels = [_label(value) for value in choice]
        # Optuna compares labels by equality, by which 1, 1.0 and true are the same.
        if any(label in labels[:at] for at, label in enumerate(labels)):
            raise ValueError("must be distinct values: drop the one that is repeated")
        if len(labels) < 2:
            raise ValueError(
                "must be at least two values; set the field itself to fix it"
            )
        return choice

    @model_validator(mode="after")
    def _ranges(self) -> "Dimension":
        faults = list(self._faults())
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        if self.choice is not None and self.log:
            yield "log: no effect on choice, drop it"
        if self.step is not None and self.int is None:
            yield "step: for int only, drop it"
        for place, allowed in self.when.items():
            _label(allowed)
            if allowed == []:
                yield f"when: no value is listed for {place}"
        if self.choice is None:
            yield from self._faults_of_range()

    def _faults_of_range(self) -> Iterator[str]:
        low, high = self.range
        if not low < high:
            yield f"must be low < high, got {low}, {high}"
        elif self.int and self.step and (high - low) % self.step:
            fitting = low + (high - low) // self.step * self.step
            yield (
                f"step: steps of {self.step} from {low} do not end at {high}; write "
                f"int: [{low}, {fitting if fitting > low else low + self.step}]"
            )
        if self.log and not low > 0:
            yield f"log needs low > 0, got {low}"
        if self.log and self.step is not None:
            yield "give log or step, not both"

    @property
    def range(self) -> tuple[_Float, _Float] | tuple[_Int, _Int]:
        """(low, high) of `float` or `int`, both included."""
        found = self.float or self.int
        if found is None:
            raise TypeError("a choice has no range")
        return found

    @property
    def labels(self) -> tuple[Scalar, ...]:
        """The labels of the values of `choice`, in their order."""
        return tuple(_label(value) for value in self.choice or ())

    def label(self, value: Any) -> Scalar:
        """A scalar that stands for `value`: itself, or the JSON text of a container."""
        return _label(value)

    def value(self, label: Scalar) -> Any:
        """The value that `label` stands for.

        Raises:
            KeyError: if no value of `choice` has this label.
        """
        if self.choice is None:
            return label
        for known, value in zip(self.labels, self.choice, strict=True):
            if is_same(known, label):
                return copy.deepcopy(value)
        raise KeyError(label)

    def holds(self, value: Any) -> bool:
        """Whether `value` can be drawn."""
        if self.choice is not None:
            return any(is_same(value, known) for known in self.choice)
        if isinstance(value, bool) or not isinstance(value, float | int):
            return False
        low, high = self.range
        on_grid = self.int is None or (value - low) % (self.step or 1) == 0
        return low <= value <= high and on_grid

    def as_record(self) -> dict[str, Plain]:
        """The fields that were given, as plain data."""
        return self.model_dump(mode="json", exclude_defaults=True)


def _label(value: Any) -> Scalar:
    try:
        text = json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError(
            "values must be numbers, words, true, false, null, and lists or mappings "
            "of these"
        ) from None
    return value if isinstance(value, str | float | int | None) else text
