"""A pruning plan as text."""

from collections.abc import Sequence
from typing import Any


def plan_table(record: dict[str, Any]) -> str:
    """The record of a plan as aligned columns for a terminal.

    Args:
        record: what `PruningPlan.as_record()` gives.
    """
    before, after = record["parameters_before"], record["parameters_after"]
    share = after / before if before else 1.0
    lines = [
        f"Pruning plan for {record['model']}",
        f"parameters {before:,} -> {after:,} ({share:.1%})",
        "",
        *_columns(
            ("layer", "channels", "kept"),
            [
                (row["name"], str(row["channels_before"]), str(row["channels_after"]))
                for row in record["layers"]
            ],
        ),
    ]
    shared = [group["layers"] for group in record["groups"] if len(group["layers"]) > 1]
    if shared:
        lines += ["", "together: the same channels leave from all layers of a line"]
        lines += [f"  {', '.join(layers)}" for layers in shared]
    if record["frozen"]:
        rows = [
            (kept["layer"], str(kept["channels"]), kept["reason"])
            for kept in record["frozen"]
        ]
        lines += ["", *_columns(("must stay", "channels", "because"), rows)]
    return "\n".join(lines)


def _columns(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    return ["  ".join(_padded(row, widths)).rstrip() for row in (heads, *rows)]


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Cells at the width of their column; counts to the right, as numbers are read."""
    return [
        cell.rjust(width) if place == 1 else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
