"""Base class of the sections of a recipe."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from segshrink.reading import holds_truth

# Plain data, as YAML and JSON hold it.
Plain: TypeAlias = (
    "str | int | float | bool | None | Sequence[Plain] | Mapping[str, Plain]"
)


class Settings(BaseModel):
    """Base of all sections: frozen, and unknown fields are faults."""

    # A misspelt option must not pass silently.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        # Pydantic would read `patience: yes` as 1.
        annotation = cls.model_fields[str(info.field_name)].annotation
        if annotation is bool or "Any" in str(annotation):
            return value
        if holds_truth(value):
            raise ValueError("true and false have no meaning here")
        return value
