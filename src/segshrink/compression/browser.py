"""The page of a run that runs its student in a browser."""

from pathlib import Path

from segshrink.compression.context import Context
from segshrink.compression.run_folder import Run
from segshrink.formats import Format, Output
from segshrink.reporting.comparison import shipped_student
from segshrink.reporting.run_records import read_run
from segshrink.reporting.use import page_path, path_of
from segshrink.web import write_web_page

_RGB = 3


def write_page_of_run(context: Context) -> None:
    """Write `report/try.html`, unless it is as new as the file that it holds.

    It holds the student's LiteRT file, int8 before float. There is none where the
    recipe makes no such file, its files give classes alone, or the images are no RGB.
    """
    run, page = context.run, page_path(context.run.folder)
    file = _student_file(run)
    if file is None or context.dataset.train.num_bands != _RGB:
        return
    if not page.is_file() or page.stat().st_mtime_ns < file.stat().st_mtime_ns:
        page.parent.mkdir(exist_ok=True)
        write_web_page(file, page)


def _student_file(run: Run) -> Path | None:
    records = read_run(run.folder)
    student = shipped_student(
        each
        for each in records.measurements
        if each.format == Format.LITERT and each.output != Output.CLASSES
    )
    return None if student is None else path_of(student, records)
