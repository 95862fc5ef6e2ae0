"""Fields of the recipe by their dotted places, such as `student.training.epochs`."""

from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from segshrink.recipe import FEATURE_LOSSES, LOGIT_LOSSES, Recipe


def is_same(a: Any, b: Any) -> bool:
    """Whether two values of a recipe are equal; to Python, `True == 1`."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def alternatives(allowed: Any) -> list[Any]:
    """The values that a condition of `when` allows."""
    return list(allowed) if isinstance(allowed, list | tuple) else [allowed]


def types_of(place: str) -> tuple[Any, ...]:
    """The types that a field of the recipe takes; none if there is no such field."""
    types: tuple[Any, ...] = (Recipe,)
    for key in place.split("."):
        annotations = list(_annotations(types, key))
        types = tuple(t for annotation in annotations for t in _leaves(annotation))
    return types


def fields_of(place: str) -> tuple[str, ...]:
    """The fields inside a section of the recipe; the whole recipe is `""`."""
    names: list[str] = []
    for type_ in types_of(place) if place else (Recipe,):
        if isinstance(type_, type) and issubclass(type_, BaseModel):
            names += type_.model_fields
        elif get_origin(type_) is dict:
            names += LOGIT_LOSSES + FEATURE_LOSSES
    return tuple(dict.fromkeys(names))


def _annotations(types: tuple[Any, ...], key: str) -> Iterator[Any]:
    for type_ in types:
        if get_origin(type_) is dict and key in LOGIT_LOSSES + FEATURE_LOSSES:
            yield get_args(type_)[1]
        elif isinstance(type_, type) and issubclass(type_, BaseModel):
            if key in type_.model_fields:
                yield type_.model_fields[key].annotation


def _leaves(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _leaves(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _leaves(part)
    else:
        yield annotation


def literals_of(place: str) -> tuple[Any, ...] | None:
    """The values of a field that takes only some; None if it takes others too."""
    types = types_of(place)
    if not types or any(
        get_origin(type_) is not Literal and type_ is not type(None) for type_ in types
    ):
        return None
    values = [value for type_ in types for value in get_args(type_)]
    return tuple(values) + ((None,) if type(None) in types else ())


def takes(place: str, value: Any) -> bool:
    """Whether a field of the recipe takes a value of this kind, whatever its bounds."""
    return any(_is_read_unchanged(type_, value) for type_ in types_of(place))


def _is_read_unchanged(type_: Any, value: Any) -> bool:
    adapter = TypeAdapter[Any](type_)
    try:
        read = adapter.validate_python(value)
    except ValidationError:
        return False
    return is_same(adapter.dump_python(read, mode="json"), value)


def is_within(inner: str, outer: str) -> bool:
    """Whether a place is inside another place, or the same."""
    return inner == outer or inner.startswith(f"{outer}.")


def value_at(recipe: Recipe, place: str) -> Any:
    """A field of the recipe as plain data; None also where its section is missing."""
    found: Any = recipe
    for key in place.split("."):
        is_mapping = isinstance(found, dict)
        found = found.get(key) if is_mapping else getattr(found, key, None)
    if isinstance(found, BaseModel):
        return found.model_dump(mode="json")
    return list(found) if isinstance(found, tuple) else found


def listed(values: Iterable[Any]) -> str:
    """Values as a recipe spells them, joined by `or`."""
    return " or ".join(map(as_yaml, values))


def as_yaml(value: Any) -> str:
    """The value as a recipe spells it, on one line."""
    value = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")
