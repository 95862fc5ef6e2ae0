"""What verbs that evaluate share: facts of the file, scores as text, other means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from segshrink.errors import UsageError

if TYPE_CHECKING:
    from segshrink.data import Dataset
    from segshrink.runtimes import Artifact


def file_record(opened: Artifact) -> dict[str, Any]:
    """Which file was measured, and by what."""
    from segshrink._version import __version__
    from segshrink.measuring import measure_size
    from segshrink.records import this_machine

    return {
        "file": opened.path.name,
        "size": measure_size(opened.path),
        "runtime": opened.runtime,
        "runtime_version": opened.runtime_version,
        "threads": opened.threads,
        "machine": this_machine().as_plain(),
        "segshrink": __version__,
    }


def note_other_split(opened: Sequence[Artifact], dataset: Dataset) -> None:
    """Warn of files that may have been trained on what they are measured on."""
    from segshrink.cli.terminal import errors
    from segshrink.compression.metadata import other_split

    for artifact in opened:
        told = other_split(artifact.path, artifact.metadata, dataset)
        if told is not None:
            errors.print(f"Warning: {told}")


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
