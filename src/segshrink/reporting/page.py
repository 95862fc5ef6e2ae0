"""The report as one HTML page that needs nothing but itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from segshrink.errors import RunFolderError
from segshrink.records.measurement import Measurement
from segshrink.reporting.caption import (
    caption_lines,
    listing,
    machine_text,
    warning_lines,
)
from segshrink.reporting.drawing import DrawnPlot, plot_content
from segshrink.reporting.embedding import panel_uri
from segshrink.reporting.headline import headline
from segshrink.reporting.run_types import RunRecords
from segshrink.reporting.side_by_side import Side, legend_colors, sides
from segshrink.reporting.table import class_table, results_table
from segshrink.reporting.table_rendering import html_table, page_templates
from segshrink.reporting.units import human_bytes, runtime_name

MOST_PAGE_BYTES = 5_000_000

# Tried in turn until the page fits: longest side of a picture, quality of a photo.
_PICTURE_STEPS = ((480, 82), (400, 78), (320, 72), (240, 66), (160, 60), (96, 50))


def report_page(records: RunRecords, plots: Sequence[DrawnPlot]) -> str:
    """The whole page, below `MOST_PAGE_BYTES` as UTF-8.

    Raises:
        RunFolderError: if the page is too large even with the smallest pictures.
    """
    content = _content(records, plots)
    for longest_px, jpeg_quality in _PICTURE_STEPS:
        page = _rendered(content, _pictures(records, longest_px, jpeg_quality))
        size_bytes = len(page.encode("utf-8"))
        if size_bytes <= MOST_PAGE_BYTES:
            return page
    raise RunFolderError(
        f"{records.folder}: the report would take {human_bytes(size_bytes)} with the "
        f"smallest pictures, more than {human_bytes(MOST_PAGE_BYTES)}. Take fewer "
        "samples (measuring.samples in the recipe)."
    )


def _rendered(content: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> str:
    template = page_templates().get_template("report.html")
    return template.render(content, samples=samples)


def _content(records: RunRecords, plots: Sequence[DrawnPlot]) -> dict[str, Any]:
    """Everything of the page that does not depend on the size of pictures."""
    by_class = class_table(records)
    return {
        "title": records.folder.resolve().name,
        "headline": headline(records),
        "warnings": warning_lines(records),
        "results": html_table(results_table(records), "Results of every file"),
        "caption": caption_lines(records),
        "classes": legend_colors(records),
        "plots": plot_content(plots),
        "by_class": html_table(by_class, "Scores by class") if by_class else None,
        "facts": _facts(records.measurements),
        "files": [_file_facts(each) for each in records.measurements],
        "recipe": records.recipe_text,
    }


def _pictures(
    records: RunRecords, longest_px: int, jpeg_quality: int
) -> list[dict[str, Any]]:
    return [_picture_row(side, longest_px, jpeg_quality) for side in sides(records)]


def _picture_row(side: Side, longest_px: int, jpeg_quality: int) -> dict[str, Any]:
    panels = [
        {
            "label": panel.label,
            "alt": _panel_alt(side, panel.label, panel.is_photo),
            "uri": panel_uri(panel, longest_px=longest_px, jpeg_quality=jpeg_quality),
        }
        for panel in side.panels
    ]
    return {"name": side.name, "panels": panels}


def _panel_alt(side: Side, label: str, is_photo: bool) -> str:
    if is_photo:
        return f"{side.name}, the image"
    if label == "truth":
        return f"{side.name}, classes as annotated"
    return f"{side.name}, classes as {label} predicts them"


def _facts(measurements: Sequence[Measurement]) -> list[tuple[str, str]]:
    """How it was measured, as (what, value); what differs among files is joined."""
    splits = [each.data.split for each in measurements]
    facts = [
        ("Data", [each.data.name for each in measurements]),
        ("Scored part", [each.quality.part for each in measurements if each.quality]),
        ("Scored pixels", [_pixels(each) for each in measurements]),
        ("Split source", [split.source for split in splits]),
        ("Training scenes", [listing(split.train) for split in splits]),
        ("Validation scenes", [listing(split.val) for split in splits]),
        ("Test scenes", [listing(split.test) for split in splits]),
        ("Tile size", [_tile(each) for each in measurements]),
        ("Machine", [machine_text(each.machine) for each in measurements]),
        ("Threads", [str(e.latency.threads) for e in measurements if e.latency]),
        ("Timing", [_timing(each) for each in measurements]),
        ("Runtimes", [_runtime(each) for each in measurements]),
        ("Python", [each.machine.python for each in measurements]),
        ("segshrink", [each.segshrink for each in measurements]),
        ("Seed", [str(e.seed) for e in measurements if e.seed is not None]),
    ]
    joined = ((what, "; ".join(dict.fromkeys(filter(None, v)))) for what, v in facts)
    return [(what, value) for what, value in joined if value]


def _pixels(measurement: Measurement) -> str:
    quality = measurement.quality
    if quality is None:
        return ""
    return (
        f"{quality.pixels:,} of {quality.images} images, "
        f"{quality.void_pixels:,} void left out"
    )


def _tile(measurement: Measurement) -> str:
    tile_px = measurement.data.tile_px
    return f"{tile_px} pixels" if tile_px else ""


def _timing(measurement: Measurement) -> str:
    latency = measurement.latency
    if latency is None:
        return ""
    return f"{latency.rounds} rounds, batch of {latency.batch}, median and quartiles"


def _runtime(measurement: Measurement) -> str:
    return f"{runtime_name(measurement.runtime)} {measurement.runtime_version}".strip()


def _file_facts(measurement: Measurement) -> dict[str, str]:
    size = measurement.size
    return {
        "file": measurement.file,
        "bytes": f"{size.size_bytes:,}" if size else "",
        "sha256": size.sha256 if size else "",
    }
