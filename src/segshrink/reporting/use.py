"""How to use the file that a run was for: with segshrink, and without it."""

from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from segshrink.records.measurement import Export, Measurement, Role
from segshrink.reporting.run_records import RunRecords
from segshrink.reporting.snippets import Snippet, snippets_for
from segshrink.reporting.units import human_bytes
from segshrink.reporting.verdict import file_to_take

_PAGE = "try.html"


@dataclass(frozen=True)
class FileInUse:
    """The file to take, and how.

    Attributes:
        path: the file, below the run folder.
        size: its bytes as text.
        command: predicts a photograph with segshrink, or a folder of images of other
            bands.
        snippets: programs that do the same with the runtime alone; empty if there are
            none for the format or the bands.
        page: name of the page beside the report that runs a file of the run in a
            browser; None if there is none.
    """

    path: Path
    size: str
    command: str
    snippets: tuple[Snippet, ...]
    page: str | None = None

    def sentence(self) -> str:
        """For the end of a run."""
        return f"Your file: {self.path}, {self.size}. Try: {self.command}"


def file_in_use(records: RunRecords) -> FileInUse | None:
    """The file to take, see `file_to_take`; None if it is gone or was not measured."""
    taken = file_to_take(records)
    if taken is None:
        return None
    path = path_of(taken, records)
    if path is None:
        return None
    images = "photo.jpg" if records.bands is None else "images"
    return FileInUse(
        path=path,
        size=human_bytes(path.stat().st_size),
        command=f"segshrink predict {quote(str(path))} {images} --out predicted",
        snippets=_programs(path.name, taken.output, records),
        page=_PAGE if page_path(records.folder).is_file() else None,
    )


def other_files(records: RunRecords) -> dict[str, tuple[Snippet, ...]]:
    """Programs for each other measured file that is there, by its name."""
    taken = file_in_use(records)
    outputs = {
        path.name: each.output
        for each in records.measurements
        if not _is_given(each) and (path := path_of(each, records)) is not None
    }
    return {
        name: snippets
        for name, output in outputs.items()
        if (taken is None or name != taken.path.name)
        and (snippets := _programs(name, output, records))
    }


def _programs(name: str, output: str, records: RunRecords) -> tuple[Snippet, ...]:
    # They open a photograph, which holds the bands of no other image.
    return snippets_for(name, output) if records.bands is None else ()


def _is_given(measurement: Measurement) -> bool:
    """Whether it is a teacher's own file, which may take images of any other kind."""
    return measurement.role is Role.TEACHER and measurement.export == Export()


def page_path(run_folder: Path) -> Path:
    """The page of a run that runs its student in a browser, whether it is there."""
    return run_folder / "report" / _PAGE


def path_of(measurement: Measurement, records: RunRecords) -> Path | None:
    """The measured file in the run folder; None if it is not there."""
    path = records.folder / "artifacts" / Path(measurement.file).name
    return path if path.is_file() else None
