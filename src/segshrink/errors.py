"""Everything segshrink raises on purpose, and the errors of others as text.

A message says where, what must hold, what was received and what to do. The command
line prints `<class name>: <message>` without a traceback and leaves with `exit_code`.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pydantic import ValidationError

Place: TypeAlias = tuple[str | int, ...]

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60


class SegshrinkError(Exception):
    """Base of all errors that segshrink raises on purpose."""

    exit_code = 1


class UsageError(SegshrinkError):
    """An argument that is wrong, or that would have no effect."""

    exit_code = 2


class DatasetError(SegshrinkError):
    """A fault in a folder of images and masks, or in its description."""

    exit_code = 2


class RecipeError(SegshrinkError):
    """One or more faults in a recipe; the message lists all of them."""

    exit_code = 2


class ModelError(SegshrinkError):
    """A file that holds no model, or a model that does not fit its use."""

    exit_code = 2


class RunFolderError(SegshrinkError):
    """An output folder that cannot take this run."""

    exit_code = 2


class MissingExtraError(SegshrinkError):
    """An optional dependency is not installed; the message names the pip command."""

    exit_code = 2

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs packages that are not installed. "
            f"Install them with: pip install 'segshrink[{extra}]'"
        )


# Extras by the modules that they bring and that are imported where they are used.
_EXTRA_OF_MODULE = {
    "av": "video",
    "cv2": "camera",
    "jinja2": "report",
    "keras": "main",
    "litert_quantizer": "litert",
    "markupsafe": "report",
    "matplotlib": "report",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "openvino": "openvino",
    "optuna": "search",
    "rasterio": "geo",
    "ray": "ray",
    "tensorflow": "tensorflow",
    "tf2onnx": "onnx",
}


def missing_extra(error: ModuleNotFoundError) -> MissingExtraError | None:
    """The error that names the extra of a module that is not installed, if it is one.

    Args:
        error: as an import raises it.
    """
    module = (error.name or "").partition(".")[0]
    extra = _EXTRA_OF_MODULE.get(module)
    return (
        None
        if extra is None
        else MissingExtraError(f"This command, which uses {module},", extra)
    )


class TrainingError(SegshrinkError):
    """Training cannot proceed, for example because the loss is not a number."""


class ExportError(SegshrinkError):
    """A model could not be turned into a file, or the file disagrees with it."""


class SegshrinkWarning(UserWarning):
    """Something to know that did not stop the work, such as metadata that lie."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its class name if it has no message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].strip()


def fault_lines(
    error: ValidationError,
    *,
    whole: str = "record",
    section: str = "",
    name: Callable[[Place], Place] = lambda place: place,
) -> list[str]:
    """One line per fault that Pydantic found: its place, its text, what was received.

    Args:
        error: as Pydantic raises it.
        whole: name of the validated data, for faults that lie in no single field.
        section: where the validated data stands in its file, as `search.space`.
        name: maps the place that Pydantic reports to the one that the file has.

    Returns:
        Lines such as `training.epochs: Input should be greater than 0 (got -1)`.
    """
    lines = []
    for fault in error.errors(include_url=False):
        place = name((*filter(None, [section]), *fault["loc"]))
        text = fault["msg"].removeprefix("Value error, ")
        # A whole section is too long to repeat.
        is_section = isinstance(fault["input"], dict)
        received = "" if is_section else f" (got {_SHORT.repr(fault['input'])})"
        lines.append(f"{'.'.join(map(str, place)) or whole}: {text}{received}")
    return lines


def fault_message(where: str, lines: Sequence[str], *, most: int | None = None) -> str:
    """One message of all faults of a file, or of the first `most` of them.

    Args:
        where: the file.
        lines: one per fault, as `fault_lines` gives them.
        most: number of lines that are shown; None is all.
    """
    count = f"{len(lines)} fault{'s' if len(lines) > 1 else ''}"
    left_out = [] if most is None else lines[most:]
    shown = lines[: len(lines) - len(left_out)]
    rest = [f"  and {len(left_out)} more."] if left_out else []
    return "\n".join([f"{where}: {count}.", *(f"  {line}" for line in shown), *rest])
