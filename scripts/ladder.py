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
from pathlib import Path
from typing import Any

from segshrink.cli.scores import mean_iou_without
from segshrink.records.measurement import Machine
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


def ladder_table(folder: Path) -> str:
    """The table as Markdown, and a line on where latencies were measured."""
    ladder = json.loads((folder / "ladder.json").read_text())
    benchmark = json.loads((folder / "benchmark.json").read_text())
    entries = {entry["file"]: entry for entry in benchmark["files"]}
    without = ladder.get("without")
    qualities = [_quality(folder, row["file"], without) for row in ladder["files"]]
    measures = {
        key: name.format(without=without)
        for key, name in _MEASURES.items()
        if any(key in quality for quality in qualities)
    }
    lines = [
        "| "
        + " | ".join(["", "weights", "file", "gzipped", "ms", "faster"])
        + "".join(f" | {name}" for name in measures.values())
        + " |",
        "|---|" + (5 + len(measures)) * "---:|",
    ]
    for row in ladder.get("published", []):
        count, sizes = row.get("parameters"), ("size_bytes", "gzipped_bytes")
        cells = ["" if count is None else human_count(count)]
        cells += [human_bytes(row[key]) if key in row else "" for key in sizes]
        lines.append(_line(row["title"], [*cells, "", ""], row, measures))
    slowest = _ms(entries[ladder["files"][0]["file"]])
    for row, quality in zip(ladder["files"], qualities, strict=True):
        entry = entries.get(row["file"])
        size = (entry or _record(folder, row["file"]))["size"]
        cells = [
            human_count(((entry and entry["model"]) or row)["parameters"]),
            human_bytes(size["size_bytes"]),
            human_bytes(size["gzipped_bytes"]),
            human_ms(_ms(entry)) if entry else "",
            human_ratio(slowest / _ms(entry)) if entry else "",
        ]
        lines.append(_line(row["title"], cells, quality, measures))
    first = benchmark["files"][0]
    machine = machine_text(Machine(**benchmark["machine"]))
    lines += [
        "",
        f"Latency of one image, 1 thread, in "
        f"{first['runtime']} {first['runtime_version']}: medians of "
        f"{first['latency'][0]['rounds']} interleaved rounds on {machine}; faster than "
        "the first row that has one.",
        "",
        *(f"- {row['title']}: {row['source']}" for row in ladder.get("published", [])),
    ]
    return "\n".join(lines) + "\n"


def _record(folder: Path, file: str) -> dict[str, Any]:
    path = folder / "quality" / f"{file}.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def _quality(folder: Path, file: str, without: str | None) -> dict[str, Any]:
    quality = _record(folder, file).get("quality")
    if quality is None:
        return {}
    if without is None:
        return quality
    return quality | {"mean_iou_without": mean_iou_without(quality, without)}


def _line(
    title: str, cells: list[str], quality: dict[str, Any], measures: dict[str, str]
) -> str:
    scores = [f"{quality[key]:.4f}" if key in quality else "" for key in measures]
    return f"| {title} | " + " | ".join([*cells, *scores]) + " |"


def _ms(entry: dict[str, Any]) -> float:
    return next(x["median_ms"] for x in entry["latency"] if x["threads"] == 1)


def file_facts(path: Path) -> str:
    """What a record of quality tells of its file, as Markdown."""
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
