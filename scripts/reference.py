"""Reference pages in Markdown, written from the code: fields of recipes, and verbs."""

import enum
import inspect
import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.main import get_command

from segshrink.cli.app import app
from segshrink.recipe import Recipe
from segshrink.search.space import SearchSettings

_ROOTS = {"recipe": ("", Recipe), "search": ("search", SearchSettings)}
_PLAIN = {int: "whole number", float: "number", str: "text", bool: "true or false"}


def fields_text(name: str) -> str:
    """The sections of a recipe: what is said of each, and a table of its fields."""
    return "\n".join(_sections(*_ROOTS[name], "", {}))


def _sections(
    place: str, settings: type[BaseModel], name: str, shown: dict[type, str]
) -> Iterator[str]:
    title = f"{place}: {name}" if name else place
    if settings in shown:
        first = shown[settings]
        yield f"## {title}\n\nThe fields of [{first}](#{_anchor(first)}).\n"
        return
    shown[settings] = title
    yield f"## {title or 'The whole'}\n\n{inspect.getdoc(settings)}\n"
    yield "| field | type | default | range |\n|---|---|---|---|"
    inner = []
    for field, info in settings.model_fields.items():
        at = f"{place}.{field}".lstrip(".")
        found = list(_settings_in(info.annotation))
        inner += [(at, each, _family(each) if len(found) > 1 else "") for each in found]
        cells = (f"`{field}`", _type(info, at), _default(info), _range(info))
        yield f"| {' | '.join(cells)} |"
    yield ""
    for at, each, family in inner:
        yield from _sections(at, each, family, shown)


def _family(settings: type[BaseModel]) -> str:
    return str(settings.model_fields["name"].default)


def _settings_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _settings_in(inner)


def _type(info: FieldInfo, place: str) -> str:
    found = list(_settings_in(info.annotation))
    if found and get_origin(info.annotation) is not dict and "dict" not in str(info):
        names = [f"{place}: {_family(x)}" if len(found) > 1 else place for x in found]
        none = ", or null" if type(None) in get_args(info.annotation) else ""
        return "section " + ", ".join(f"[{x}](#{_anchor(x)})" for x in names) + none
    extra = info.json_schema_extra or {}
    one = "text, or " if "string" in extra.get("type", ()) else ""
    return one + _name_of(info.annotation)


def _anchor(title: str) -> str:
    """As Python-Markdown makes it of a heading."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower())


def _name_of(annotation: Any) -> str:
    """An annotation in words."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _name_of(inner[0])
    if origin is Literal:
        return ", ".join(f"`{_shown(value)}`" for value in inner)
    if origin in (Union, types.UnionType):
        names = [_name_of(each) for each in inner if each is not type(None)]
        return ", or ".join([*names, *(["null"] if type(None) in inner else [])])
    if origin is tuple:
        if inner[-1] is Ellipsis:
            return f"list of {_name_of(inner[0])}"
        return f"[{', '.join(_name_of(each) for each in inner)}]"
    if origin is dict:
        return f"mapping of {_name_of(inner[0])} to {_name_of(inner[1])}"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return ", ".join(f"`{member.value}`" for member in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[section](#{_anchor('search.space')})"
    return _PLAIN.get(annotation, "any value")


def _shown(value: Any) -> str:
    words = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    if isinstance(value, tuple):
        return f"[{', '.join(map(_shown, value))}]"
    return str(value.value if isinstance(value, enum.Enum) else value)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "must be given"
    value = info.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        family = getattr(value, "name", None)
        return f"`{family}`" if family else ""
    return "{}" if value == {} else f"`{_shown(value)}`"


def _range(info: FieldInfo) -> str:
    limits = [*info.metadata, *_inner_limits(info.annotation)]
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "multiple_of": "multiple of"}
    shown = (
        f"{sign} {getattr(limit, name)}"
        for name, sign in signs.items()
        for limit in limits
        if getattr(limit, name, None) is not None
    )
    # Each number of a list has the limits of the others.
    return ", ".join(dict.fromkeys(shown))


def _inner_limits(annotation: Any) -> Iterator[Any]:
    for inner in get_args(annotation):
        if get_origin(inner) is Annotated:
            for each in get_args(inner)[1:]:
                yield from getattr(each, "metadata", [each])
        yield from _inner_limits(inner)


def verbs_text() -> str:
    """Each verb: what it does, its arguments and options, and an example."""
    return "\n".join(
        _verb(name, each) for name, each in get_command(app).commands.items()
    )


def _verb(name: str, command: Any) -> str:
    said, _, example = command.help.partition("Example: ")
    rows = [_parameter(each) for each in command.params]
    return (
        f"## {name}\n\n{said.strip()}\n\n"
        "| argument | default | |\n|---|---|---|\n"
        + "\n".join(rows)
        + f"\n\n    {example.strip()}\n"
    )


def _parameter(parameter: Any) -> str:
    is_option = parameter.param_type_name == "option"
    spelt = [*parameter.opts, *parameter.secondary_opts]
    names = ", ".join(f"`{x}`" for x in spelt) if is_option else ""
    names = names or f"`{parameter.name.upper()}`"
    default = "must be given" if parameter.required else ""
    given = parameter.default
    if (
        not parameter.required
        and not isinstance(given, bool)
        and given not in (None, ())
    ):
        default = f"`{given}`"
    said = (parameter.help or "").replace("|", "\\|")
    return f"| {names} | {default} | {said} |"
