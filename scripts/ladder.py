"""The table of a ladder: files that were made for one data set, beside each other.

A folder of records holds

    ladder.json      "files": name and title of each in the order of the table, the one
                     that latencies are compared with first; "published": figures that
                     others gave, with their source; "without": the class that a
                     second mean of the IoUs leaves out
    benchmark.json   `segshrink benchmark FILES --json`; a file may lack in it whose
                     network is that of another
    quality/*.json   `segshrink evaluate FILE DATA --json`, named as the files
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from folds import confusion_of

from segshrink.records.benchmark import Benchmark, BenchmarkFile
from segshrink.records.measurement import Size
from segshrink.reporting.caption import machine_text
from segshrink.reporting.units import human_bytes, human_count, human_ms, human_ratio

_MEASURES = {
    "pixel_accuracy": "pixel accuracy",
    "precision_at_half": "precision",
    "recall_at_half": "recall",
    "soft_jaccard": "soft Jaccard",
    "mean_iou": "mIoU",
    "mean_iou_without": "mIoU without {without}",
}
Row = Mapping[str, Any]
"""An entry of `ladder.json`."""


def ladder_table(folder: Path) -> str:
    """The table as Markdown, and a line on where latencies were measured."""
    ladder = json.loads((folder / "ladder.json").read_text())
    benchmark = Benchmark.read(folder / "benchmark.json")
    entries = {entry.file: entry for entry in benchmark.files}
    without, published = ladder.get("without"), ladder.get("published", [])
    qualities = [_quality(folder, row["file"], without) for row in ladder["files"]]
    measures = {
        key: name.format(without=without)
        for key, name in _MEASURES.items()
        if any(key in quality for quality in qualities)
    }
    slowest = _ms(entries[ladder["files"][0]["file"]])
    return "\n".join(
        [
            _line(
                "", ["weights", "file", "gzipped", "ms", "faster", *measures.values()]
            ),
            "|---|" + (5 + len(measures)) * "---:|",
            *(
                _line(row["title"], _published_cells(row) + _scores(row, measures))
                for row in published
            ),
            *(
                _line(
                    row["title"],
                    _cells(folder, row, entries.get(row["file"]), slowest)
                    + _scores(quality, measures),
                )
                for row, quality in zip(ladder["files"], qualities, strict=True)
            ),
            "",
            _conditions(benchmark),
            "",
            *(f"- {row['title']}: {row['source']}" for row in published),
            "",
        ]
    )


def _published_cells(row: Row) -> list[str]:
    count, sizes = row.get("parameters"), ("size_bytes", "gzipped_bytes")
    return [
        "" if count is None else human_count(count),
        *(human_bytes(row[key]) if key in row else "" for key in sizes),
        "",
        "",
    ]


def _cells(
    folder: Path, row: Row, entry: BenchmarkFile | None, slowest_ms: float
) -> list[str]:
    """Weights, sizes and latency; the latter is empty of a file that was not timed."""
    path = _record_path(folder, row["file"])
    size = entry.size if entry else Size.parse(_read(path)["size"], where=path)
    model = entry.model if entry else None
    return [
        human_count(model.parameters if model else row["parameters"]),
        human_bytes(size.size_bytes),
        human_bytes(size.gzipped_bytes),
        human_ms(_ms(entry)) if entry else "",
        human_ratio(slowest_ms / _ms(entry)) if entry else "",
    ]


def _conditions(benchmark: Benchmark) -> str:
    first = benchmark.files[0]
    return (
        f"Latency of one image, 1 thread, in {first.runtime} {first.runtime_version}: "
        f"medians of {first.latency[0].rounds} interleaved rounds on "
        f"{machine_text(benchmark.machine)}; faster than the first row that has one."
    )


def _record_path(folder: Path, file: str) -> Path:
    return folder / "quality" / f"{file}.json"


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.is_file() else {}


def _quality(folder: Path, file: str, without: str | None) -> dict[str, Any]:
    quality = _read(_record_path(folder, file)).get("quality", {})
    if not quality or without is None:
        return quality
    names = [row["name"] for row in quality["classes"]]
    mean = confusion_of(quality).mean_iou(without=names.index(without))
    return quality | {"mean_iou_without": mean}


def _scores(quality: Row, measures: Mapping[str, str]) -> list[str]:
    return [f"{quality[key]:.4f}" if key in quality else "" for key in measures]


def _line(title: str, cells: list[str]) -> str:
    return f"| {title} | " + " | ".join(cells) + " |"


def _ms(entry: BenchmarkFile) -> float:
    return next(timed.median_ms for timed in entry.latency if timed.threads == 1)


def file_summary(path: Path) -> str:
    """Size, scores and classes of one record of quality, as Markdown."""
    record = json.loads(path.read_text())
    size, quality, machine = record["size"], record["quality"], record["machine"]
    scores = [
        f"| {name} | {quality[key]:.4f} |"
        for key, name in _MEASURES.items()
        if key in quality
    ]
    lines = [
        f"`{record['file']}`: {size['size_bytes']:,} bytes, {size['gzipped_bytes']:,} "
        f"gzipped, sha256 `{size['sha256']}`.",
        "",
        f"| {quality.get('patches') or quality['images']} "
        f"{'patches' if 'patches' in quality else 'images'} | |",
        "|---|---:|",
        *scores,
        *(
            f"| IoU {row['name']} | {_share(row['iou'])} |"
            for row in quality["classes"]
        ),
        "",
        f"Measured in {record['runtime']} {record['runtime_version']} on "
        f"{machine['processor']}; split from {record['data']['split']['source']}.",
    ]
    return "\n".join(lines) + "\n"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
