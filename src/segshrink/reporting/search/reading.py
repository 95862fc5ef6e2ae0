"""Reads the record of a search."""

from pathlib import Path

from segshrink.errors import RunFolderError
from segshrink.records import read_json
from segshrink.records.search import SearchRecord
from segshrink.reporting.run_records import validated
from segshrink.reporting.search.search_types import Search

_RECORD = "search.json"


def is_search(folder: Path | str) -> bool:
    """Whether `segshrink search` left its record in the folder."""
    return (Path(folder) / _RECORD).is_file()


def read_search(folder: Path | str) -> Search:
    """Read `search.json` of a folder; trials are sorted by number.

    Raises:
        RunFolderError: if it is missing, or not of the known shape.
    """
    path = Path(folder) / _RECORD
    if not path.is_file():
        raise RunFolderError(
            f"{path}: no record of a search. Name a folder that `segshrink search` "
            "wrote."
        )
    record: SearchRecord = validated(SearchRecord, read_json(path), path, "search")
    _require_known_numbers(record, path)
    in_order = sorted(record.trials, key=lambda trial: trial.number)
    return Search(Path(folder), record.model_copy(update={"trials": tuple(in_order)}))


def _require_known_numbers(record: SearchRecord, path: Path) -> None:
    numbers = [trial.number for trial in record.trials]
    doubles = sorted({number for number in numbers if numbers.count(number) > 1})
    named = [record.best] if record.best is not None else []
    unknown = sorted({*named, *record.front} - set(numbers))
    faults = []
    if doubles:
        faults.append(f"trials have the same number ({_listed(doubles)})")
    if unknown:
        faults.append(
            f"best or front name trials that are not there ({_listed(unknown)})"
        )
    if faults:
        raise RunFolderError(
            f"{path}: not a record that a report can read: {'; '.join(faults)}. "
            "Delete the file and run `segshrink search` again."
        )


def _listed(numbers: list[int]) -> str:
    return ", ".join(str(number) for number in numbers)
