"""The report as one HTML page that needs nothing but itself."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

from markupsafe import Markup

from segshrink.errors import RunFolderError
from segshrink.records.measurement import DataRecord, Measurement
from segshrink.reporting.caption import (
    caption_lines,
    listing,
    machine_text,
    runtime_text,
    warning_lines,
)
from segshrink.reporting.confusion import confusion_tables
from segshrink.reporting.drawing import DrawnPlot
from segshrink.reporting.embedding import panel_uri
from segshrink.reporting.headline import headline
from segshrink.reporting.run_records import RunRecords
from segshrink.reporting.side_by_side import (
    Side,
    difference_colors,
    legend_colors,
    sides,
    worst_sides,
)
from segshrink.reporting.table import (
    Table,
    class_table,
    image_table,
    label_of,
    results_table,
)
from segshrink.reporting.table_rendering import html_table, page_templates
from segshrink.reporting.units import human_bytes
from segshrink.reporting.use import file_in_use, other_files, path_of
from segshrink.reporting.verdict import file_to_take, verdict

MOST_PAGE_BYTES = 5_000_000

# Tried in turn until the page fits: longest side of a picture, quality of a photo.
_PICTURE_STEPS = (
    (768, 84),
    (480, 82),
    (400, 78),
    (320, 72),
    (240, 66),
    (160, 60),
    (96, 50),
)


def first_that_fits(pages: Iterable[str], folder: Path, remedy: str) -> str:
    """The first page that takes at most `MOST_PAGE_BYTES` as UTF-8.

    Raises:
        RunFolderError: if all are larger; ends with the remedy.
    """
    for page in pages:
        size_bytes = len(page.encode("utf-8"))
        if size_bytes <= MOST_PAGE_BYTES:
            return page
    raise RunFolderError(
        f"{folder}: the report would take {human_bytes(size_bytes)}, more than "
        f"{human_bytes(MOST_PAGE_BYTES)}. {remedy}"
    )


def report_page(records: RunRecords, plots: Sequence[DrawnPlot]) -> str:
    """The whole page, below `MOST_PAGE_BYTES` as UTF-8.

    Raises:
        RunFolderError: if the page is too large even with the smallest pictures.
    """
    template = page_templates().get_template("report.html")
    content = _content(records, plots)
    pages = (
        template.render(
            content,
            samples=_embedded(sides(records), *step),
            worst_samples=_embedded(worst_sides(records), *step),
        )
        for step in _PICTURE_STEPS
    )
    remedy = (
        "Even the smallest pictures are too large: take fewer samples "
        "(measuring.samples in the recipe)."
    )
    return first_that_fits(pages, records.folder, remedy)


def _content(records: RunRecords, plots: Sequence[DrawnPlot]) -> Mapping[str, object]:
    """All that the template shows, except the pictures of images."""
    taken = file_to_take(records)
    script, script_hash = page_script()
    return {
        "title": records.folder.resolve().name,
        "verdict": verdict(records),
        "headline": headline(records),
        "warnings": warning_lines(records),
        "results": html_table(results_table(records), "Results of every file"),
        "caption": caption_lines(records),
        "classes": legend_colors(records),
        "differences": difference_colors(records),
        "worst": _table_if_any(
            image_table(records, taken), "Scores of the worst images"
        ),
        "taken": label_of(taken) if taken else "",
        "confusion": confusion_tables(records),
        "script": script,
        "script_hash": script_hash,
        "plots": plots,
        "by_class": _table_if_any(class_table(records), "Scores by class"),
        "facts": _all_conditions(records.measurements),
        "measurements": records.measurements,
        "recipe": records.recipe_text,
        "use": file_in_use(records),
        "other_files": other_files(records),
        "linked": {x.name for x in records.measurements if path_of(x, records)},
        "written": date.today().isoformat(),
    }


def _table_if_any(table: Table | None, label: str) -> Markup | None:
    return html_table(table, label) if table else None


def page_script() -> tuple[Markup, str]:
    """The script of the page, and the digest by which its policy lets it run."""
    source = (Path(__file__).parent / "templates" / "report.js").read_text("utf-8")
    digest = hashlib.sha256(source.encode()).digest()
    return Markup(source), base64.b64encode(digest).decode("ascii")


def _embedded(
    shown: Sequence[Side], longest_px: int, jpeg_quality: int
) -> list[tuple[Side, list[str]]]:
    """Each image with its pictures as data URIs."""
    return [
        (side, [panel_uri(panel, longest_px, jpeg_quality) for panel in side.panels])
        for side in shown
    ]


def data_rows(data: DataRecord) -> dict[str, str]:
    """The data, and its scenes by part."""
    split = data.split
    return {
        "Data": data.name,
        "Tile size": f"{data.tile_px} pixels" if data.tile_px else "",
        "Split source": split.source,
        "Training scenes": listing(split.train),
        "Validation scenes": listing(split.val),
        "Test scenes": listing(split.test),
    }


def _all_conditions(measurements: Sequence[Measurement]) -> dict[str, str]:
    """Conditions of the measurements; where files differ, all values joined."""
    values: dict[str, dict[str, None]] = {}
    for measurement in measurements:
        for what, value in _conditions(measurement).items():
            if value:
                values.setdefault(what, {})[value] = None
    return {what: "; ".join(each) for what, each in values.items()}


def _conditions(measurement: Measurement) -> Mapping[str, str]:
    quality, latency = measurement.quality, measurement.latency
    pixels = timing = ""
    if quality:
        pixels = f"{quality.pixels:,} of {quality.images} images, "
        pixels += f"{quality.void_pixels:,} void left out"
    if latency:
        rounds = f"{latency.rounds} rounds, batch of {latency.batch}"
        timing = f"{rounds}, median and quartiles"
    return {
        **data_rows(measurement.data),
        "Scored part": quality.part if quality else "",
        "Scored pixels": pixels,
        "Machine": machine_text(measurement.machine),
        "Threads": str(latency.threads) if latency else "",
        "Timing": timing,
        "Runtimes": runtime_text(measurement),
        "Python": measurement.machine.python,
        "segshrink": measurement.segshrink,
        "Seed": "" if measurement.seed is None else str(measurement.seed),
    }
