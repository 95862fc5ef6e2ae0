"""Reads the record of a search."""

from pathlib import Path

from segshrink.errors import RunFolderError
from segshrink.records.search import SearchRecord

_RECORD = "search.json"


def is_search(folder: Path | str) -> bool:
    """Whether `segshrink search` left its record in the folder."""
    return (Path(folder) / _RECORD).is_file()


def read_search(folder: Path | str) -> SearchRecord:
    """Read `search.json` of a folder; trials are sorted by number.

    Raises:
        RunFolderError: if it is missing, does not have the known shape, or contradicts
            itself.
    """
    path = Path(folder) / _RECORD
    if not path.is_file():
        raise RunFolderError(
            f"{path}: no record of a search. Name a folder that `segshrink search` "
            "wrote."
        )
    record = SearchRecord.read(path)
    numbers = [trial.number for trial in record.trials]
    doubles = {number for number in numbers if numbers.count(number) > 1}
    unknown = {*record.front, *([] if record.best is None else [record.best])}
    unknown -= set(numbers)
    faults = {
        "trials have the same number": doubles,
        "best or front name trials that are not there": unknown,
    }
    texts = [
        f"{fault} ({', '.join(map(str, sorted(found)))})"
        for fault, found in faults.items()
        if found
    ]
    if texts:
        raise RunFolderError(
            f"{path}: not a record that a report can read: {'; '.join(texts)}. "
            "Delete the file and run `segshrink search` again."
        )
    in_order = sorted(record.trials, key=lambda trial: trial.number)
    return record.model_copy(update={"trials": tuple(in_order)})
