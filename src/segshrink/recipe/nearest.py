"""The field that a user probably meant."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, get_args

from pydantic import BaseModel

_ALIKE = 0.75


def nearest_field(wrong: Sequence[str], root: type[BaseModel]) -> str | None:
    """The field whose place is most like one that does not exist.

    A field of the right name that stands elsewhere is found as well as a misspelt one.

    Args:
        wrong: place of the field that does not exist, such as `("sudent", "model")`.
        root: the model of the whole.

    Returns:
        The place of the nearest field, such as `"student.model"`; None if none is near.
    """

    def likeness(place: tuple[str, ...]) -> tuple[float, int, int]:
        shared = next(
            (i for i, (a, b) in enumerate(zip(place, wrong, strict=False)) if a != b),
            min(len(place), len(wrong)),
        )
        alike = SequenceMatcher(None, place[-1], wrong[-1]).ratio()
        return alike, shared, -len(place)

    best = max(_places(root), key=likeness, default=None)
    if best is None or likeness(best)[0] < _ALIKE:
        return None
    return ".".join(best)


def _places(
    model: type[BaseModel], above: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        yield (*above, name)
        for inner in _models_in(field.annotation):
            yield from _places(inner, (*above, name))


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
