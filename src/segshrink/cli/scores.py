"""Records, warnings and scores as text that the measuring verbs share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segshrink.cli.terminal import errors, output
from segshrink.errors import UsageError
from segshrink.formats import InputRange

# A score of a class that does not occur.
UNDEFINED = "-"

if TYPE_CHECKING:
    from segshrink.data import Dataset
    from segshrink.progress import Progress
    from segshrink.records.evaluation import (
        DetailedQuality,
        Evaluation,
        RandomPatchQuality,
        ScoredFile,
    )
    from segshrink.records.metadata import FileMetadata
    from segshrink.runtimes import Artifact


def scored_file(opened: Artifact) -> ScoredFile:
    """Record of a scored file, its runtime and the machine."""
    from segshrink._version import __version__
    from segshrink.measuring import measure_size
    from segshrink.records.evaluation import ScoredFile
    from segshrink.records.machine import this_machine

    return ScoredFile(
        file=opened.path.name,
        size=measure_size(opened.path),
        runtime=opened.runtime,
        runtime_version=opened.runtime_version,
        threads=opened.threads,
        machine=this_machine(),
        segshrink=__version__,
    )


def evaluation_record(
    opened: Artifact, dataset: Dataset, quality: DetailedQuality
) -> Evaluation:
    """Record of a file's quality on a data set, whole scenes held out."""
    from segshrink.measuring import data_record
    from segshrink.records.evaluation import Evaluation

    scored, data = dict(scored_file(opened)), data_record(dataset)
    return Evaluation(**scored, data=data, quality=quality)


def warn_of_other_split(
    path: Path, metadata: FileMetadata | None, dataset: Dataset
) -> None:
    """Warn if a model may have been trained on the images that it is measured on.

    Args:
        path: the model's file.
        metadata: the metadata in the file; None for a file that has none.
        dataset: the data set, as it is split now.
    """
    from segshrink.compression.metadata import other_split

    warning = other_split(path, metadata, dataset)
    if warning is not None:
        errors.print(f"Warning: {warning}")


def opened_file(
    path: Path,
    threads: int,
    head: str | None,
    input_range: InputRange | None,
    architecture: Path | None,
    progress: Progress,
) -> Artifact:
    """Open a model file, see `load_artifact`; it is said if its size is open."""
    from segshrink.runtimes import load_artifact

    opened = load_artifact(
        path,
        threads=threads,
        head=head,
        input_range=input_range or InputRange.BYTES,
        architecture=architecture,
    )
    tell_window(opened, progress)
    return opened


def tell_window(opened: Artifact, progress: Progress) -> None:
    """Say how large the windows are that a file of open size predicts."""
    from segshrink.runtimes.artifact import window_note

    note = window_note(opened)
    if note is not None:
        progress.say(note)


def require_class(name: str | None, known: Sequence[str]) -> None:
    """Refuse a `--without` that is not a class of the data set."""
    if name is not None and name not in known:
        raise UsageError(
            f"--without {name}: no such class. There are {', '.join(known)}."
        )


def print_mean_iou_without(
    name: str,
    counts: Sequence[Sequence[int]],
    classes: Sequence[str],
    digits: int = 3,
) -> None:
    """Print the mean IoU over all classes but one.

    Args:
        name: the class to leave out.
        counts: confusion matrix, pixels by true class, then by predicted class.
        classes: names of the classes.
        digits: decimal digits of the score.
    """
    from segshrink.metrics import ConfusionMatrix

    confusion = ConfusionMatrix.from_counts(counts)
    mean = confusion.mean_iou(without=classes.index(name))
    output.out(f"mean IoU without {name}: {shown(mean, digits)}")


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table in frames, without columns in which nothing is known."""
    from rich.table import Table
    from rich.text import Text

    from segshrink.reporting.units import MISSING
    from segshrink.text_table import without_empty

    heads, rows = without_empty(heads, rows, (MISSING, UNDEFINED))
    table = Table(*heads)
    # Names of files and classes are not broken, as numbers can be read in two lines.
    table.columns[0].no_wrap = True
    for row in rows:
        table.add_row(*map(Text, row))
    output.print(table)


def class_rows(
    quality: DetailedQuality | RandomPatchQuality,
) -> list[dict[str, object]]:
    """The scores of each class as rows of figures."""
    rows = [{"class": x.name, **x.as_plain()} for x in quality.classes]
    for row in rows:
        del row["name"]
    boundaries = getattr(quality, "boundary_iou", None)
    if boundaries is not None:
        for row, iou in zip(rows, boundaries.classes, strict=True):
            row["border_iou"] = iou
    return rows


def shown(value: float | None, digits: int = 3) -> str:
    """A score in 0 to 1 as text; a dash where it is undefined."""
    return UNDEFINED if value is None or math.isnan(value) else f"{value:.{digits}f}"
