"""What verbs that evaluate share: scores as text, and a mean without a class."""

from collections.abc import Sequence
from typing import Any

from segshrink.errors import UsageError


def require_class(name: str | None, known: Sequence[str]) -> None:
    """Refuse a `--without` that names no class."""
    if name is not None and name not in known:
        raise UsageError(
            f"--without {name}: no such class. There are {', '.join(known)}."
        )


def mean_iou_without(quality: dict[str, Any], name: str) -> float | None:
    """Mean over the classes that have an IoU, all but one."""
    ious = [
        row["iou"]
        for row in quality["classes"]
        if row["name"] != name and row["iou"] is not None
    ]
    return sum(ious) / len(ious) if ious else None


def shown(value: float | None, digits: int = 3) -> str:
    """A score in 0 to 1."""
    return "-" if value is None else f"{value:.{digits}f}"
