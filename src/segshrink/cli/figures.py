"""The figures of a verb as JSON and CSV: in files, or alone on standard output."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segshrink.cli.terminal import output
from segshrink.errors import UsageError

if TYPE_CHECKING:
    from segshrink.pruning import PruningPlan

JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Also write the figures as JSON; - prints them, and nothing else.",
    ),
]
CsvFile = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        metavar="FILE",
        help="Also write the table as CSV; - prints it, and nothing else.",
    ),
]
_STANDARD_OUTPUT = Path("-")

Row = Mapping[str, object]


@dataclass(frozen=True)
class Figures:
    """Where the figures of a verb go beside its table, as `--json` and `--csv` say.

    With `-` they are all that the verb prints: `output` is silent from then on.

    Attributes:
        json_file: file, or `-` for standard output; None if there is none.
        csv_file: the same.

    Raises:
        UsageError: if both are one file, or standard output, or one is a folder.
    """

    json_file: Path | None = None
    csv_file: Path | None = None

    def __post_init__(self) -> None:
        if self.json_file == self.csv_file == _STANDARD_OUTPUT:
            raise UsageError(
                "--json - and --csv - would print into one another. Name a file for "
                "one of them."
            )
        for option, file in (("--json", self.json_file), ("--csv", self.csv_file)):
            if file is None or file == _STANDARD_OUTPUT:
                continue
            if file.is_dir():
                raise UsageError(f"{option} {file}: a folder. Name a file.")
            above = next(x for x in file.absolute().parents if x.exists())
            if not above.is_dir():
                raise UsageError(f"{option} {file}: {above} is a file, not a folder.")
        if self._is_one_file():
            raise UsageError(
                f"--json and --csv both name {self.json_file}, which would hold the "
                "table alone. Name a file for each."
            )
        if _STANDARD_OUTPUT in (self.json_file, self.csv_file):
            output.quiet = True

    def _is_one_file(self) -> bool:
        if self.json_file is None or self.csv_file is None:
            return False
        is_same = self.json_file.resolve() == self.csv_file.resolve()
        return is_same and not self.json_file.is_char_device()

    @property
    def options(self) -> dict[str, Path | None]:
        """The values by the name of their option, for `refuse_idle`."""
        return {"json": self.json_file, "csv": self.csv_file}

    def write(self, plain: object, rows: Iterable[Row]) -> None:
        """Write the figures.

        Args:
            plain: what JSON can hold.
            rows: of the table: values by the heading of their column.
        """
        if self.json_file is not None:
            text = json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)
            _write(self.json_file, text + "\n")
        if self.csv_file is not None:
            _write(self.csv_file, as_csv([dict(row) for row in rows]))


def as_csv(rows: Sequence[Row]) -> str:
    """Rows as CSV with a line of headings; what is None or missing is empty."""
    headings = list(dict.fromkeys(name for row in rows for name in row))
    written = io.StringIO()
    table = csv.DictWriter(written, headings, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return written.getvalue()


def single_values(plain: Mapping[str, Any]) -> dict[str, object]:
    """The fields of a record that are no lists and no records of their own."""
    return {
        name: value
        for name, value in plain.items()
        if not isinstance(value, Mapping | list | tuple)
    }


def fields_of(plain: object, place: str = "") -> Iterator[tuple[str, object]]:
    """The fields of nested records by their dotted places; a list is one as JSON."""
    if isinstance(plain, Mapping) and plain:
        for name, value in plain.items():
            yield from fields_of(value, f"{place}.{name}".lstrip("."))
    else:
        is_nested = isinstance(plain, Mapping | list)
        yield place, json.dumps(plain, ensure_ascii=False) if is_nested else plain


def plan_rows(plan: PruningPlan) -> Iterable[Row]:
    """The channels of each layer before and after a plan."""
    for layer in plan.as_record().layers:
        yield {
            "layer": layer.name,
            "channels_before": layer.channels_before,
            "channels_after": layer.channels_after,
        }


def _write(place: Path, text: str) -> None:
    from segshrink.records import is_special, write_text

    if place == _STANDARD_OUTPUT:
        sys.stdout.write(text)
    elif is_special(place):
        # Such as /dev/stdout, or the pipe of a shell: --json >(jq .size).
        place.write_text(text, encoding="utf-8")
    else:
        write_text(place, text)
