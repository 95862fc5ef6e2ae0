"""The figures of a run and of a search as plain rows, for JSON and CSV."""

from collections.abc import Iterator
from pathlib import Path

from segshrink.records.search import SearchRecord
from segshrink.reporting.comparison import Comparison, compare
from segshrink.reporting.run_records import read_run

Row = dict[str, object]


def result_rows(run_folder: Path | str) -> list[Row]:
    """A row for each file of a run, in the order of its table.

    Scores are shares in 0 to 1, other units are in the names. `against` is the file
    that `times_smaller`, `times_faster` and `miou_points` compare with.

    Raises:
        RunFolderError: if the folder has no measurements, or a record is unreadable.
    """
    measurements = read_run(run_folder).measurements
    return [_result_row(compare(each, measurements)) for each in measurements]


def _result_row(comparison: Comparison) -> Row:
    own, reference = comparison.measurement, comparison.reference
    size, latency, quality = own.size, own.latency, own.quality
    return {
        "name": own.name,
        "file": own.file,
        "role": str(own.role),
        "format": own.format,
        "precision": own.precision,
        "runtime": own.runtime,
        "parameters": own.model.parameters,
        "macs": own.model.macs,
        "size_bytes": size and size.size_bytes,
        "gzipped_bytes": own.gzipped_bytes,
        "threads": latency and latency.threads,
        "median_ms": own.median_ms,
        "p25_ms": latency and latency.p25_ms,
        "p75_ms": latency and latency.p75_ms,
        "spread_doubtful": latency and latency.spread_doubtful,
        "pixel_accuracy": quality and quality.pixel_accuracy,
        "mean_precision": quality and quality.precision,
        "mean_recall": quality and quality.recall,
        "mean_iou": own.mean_iou,
        "against": reference and reference.name,
        "times_smaller": comparison.times_smaller,
        "times_faster": comparison.times_faster,
        "miou_points": comparison.miou_points,
    }


def trial_rows(record: SearchRecord) -> Iterator[Row]:
    """A row for each trial of a search, with the values that it tried."""
    for trial in record.trials:
        yield {
            "trial": trial.number,
            "state": trial.state,
            "is_chosen": trial in record.chosen,
            "is_feasible": trial.is_feasible,
            "miou": trial.miou,
            "val_loss": trial.val_loss,
            "latency_ms": trial.latency_ms,
            "size_bytes": trial.size_bytes,
            "macs": trial.macs,
            "parameters": trial.parameters,
            "seconds": trial.seconds,
            "file": trial.file,
            "reason": trial.reason,
            **trial.values,
        }
