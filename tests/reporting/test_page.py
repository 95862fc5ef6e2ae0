import base64
import hashlib
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from segshrink.errors import RunFolderError
from segshrink.reporting import page as page_module
from segshrink.reporting.drawing import DrawnPlot, drawn_plot
from segshrink.reporting.page import report_page
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.run_records import RunRecords, read_run

from .images import with_images
from .run_folder import FILES, build_run_folder, measurement_record

Builder = Callable[..., Path]
HOSTILE = "<script>alert('x')</script>\"><img src=//evil.example/x>"


class Parsed(HTMLParser):
    """Collects tags with attributes, and text by the tag it stands in."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "source"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, "tags must nest"

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self._open[-1] if self._open else "", data.strip()))

    def text(self) -> str:
        return " ".join(
            text for tag, text in self.texts if tag not in ("style", "script")
        )


def a_plot() -> DrawnPlot:
    plot = Plot("cost", "Cost", 'alt "quoted"', lambda _: Figure((2, 1)), "note")
    return drawn_plot(plot)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RunRecords:
    return read_run(
        build_run_folder(tmp_path_factory.mktemp("page") / "RUN", samples=2, worst=1)
    )


@pytest.fixture(scope="module")
def html(records: RunRecords) -> str:
    return report_page(records, [a_plot()])


def test_it_loads_nothing_from_elsewhere(html: str) -> None:
    parsed = Parsed(html)
    loading = [
        value or ""
        for _, attributes in parsed.tags
        for name, value in attributes.items()
        if name in ("src", "srcset", "href", "action", "data", "poster", "background")
    ]
    # Links lead to places of the page.
    assert loading and all(value.startswith(("data:image/", "#")) for value in loading)
    tags = [tag for tag, _ in parsed.tags]
    assert not {"link", "iframe", "object", "base", "form"} & set(tags)
    assert tags.count("script") == 1
    styles = [text for tag, text in parsed.texts if tag == "style"]
    assert styles and not re.search(r"url\(|@import|//", "".join(styles))
    assert "default-src 'none'" in html


def test_the_policy_allows_the_one_script_by_its_digest(html: str) -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = dict(Parsed(html).tags[3][1])["content"] or ""
    assert policy == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
    assert not re.search(r"fetch|XMLHttp|import|http|eval|innerHTML", script)
    handlers = [
        name for _, each in Parsed(html).tags for name in each if name[:2] == "on"
    ]
    assert not handlers


def test_contents_and_pictures_lead_to_places_of_the_page(html: str) -> None:
    tags = Parsed(html).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [a["href"][1:] for t, a in tags if t == "a" and a["href"].startswith("#")]
    assert set(links) <= set(ids)
    headings = [a["id"] for t, a in tags if t == "h2"]
    assert [link for link in links if link in headings] == headings
    # Each picture is enlarged by a link, and made small again by another.
    figures = [a["id"] for t, a in tags if t == "figure" and "id" in a]
    assert len(figures) == 3 * 9 and set(figures) <= set(links)


def test_the_worst_images_have_scores_and_pictures(run_folder: Builder) -> None:
    teacher = with_images(measurement_record("teacher"), [0.9] * 12)
    rights = [0.5, 0.2, *[0.8] * 10]
    student = with_images(measurement_record("student-int8"), rights)
    folder = run_folder(records={"teacher": teacher, "student-int8": student}, worst=2)
    html = report_page(read_run(folder), [])
    text = Parsed(html).text()
    section = text[
        text.index("Worst images The images") : text.index("Confusion Share")
    ]
    images = re.findall(r"image_part_(\d+)", section)
    assert images[:2] == ["001", "000"]
    assert images[-2:] == ["000", "001"] and len(images) == 10 + 2
    assert section.count("against the teacher") == 2
    assert html.count('<table class="confusion">') == 2


def test_every_picture_decodes_and_has_a_text(html: str) -> None:
    pictures = [attributes for tag, attributes in Parsed(html).tags if tag == "img"]
    assert len(pictures) == 3 * 9
    for attributes in pictures:
        assert attributes["alt"]
        data = base64.b64decode((attributes["src"] or "").partition(",")[2])
        Image.open(io.BytesIO(data)).load()


def test_the_numbers_stand_in_it(html: str) -> None:
    text = Parsed(html).text()
    teacher, student = FILES["teacher"], FILES["student-int8"]
    assert f"{teacher[4] / student[4]:.1f}× smaller gzipped" in text
    assert f"{teacher[7] / student[7]:.2f}× faster" in text
    assert "it loses 1.4 points of mIoU (77.1 % against 78.5 %)" in text
    for fact in (
        "Held-out images",
        "By class",
        "file by_tile.json",
        "Tile 1, Tile 4, Tile 6, Tile 7, Tile 8",
        "Example Processor 3000",
        "3,000,000 of 18 images, 42,000 void left out",
        "tile_px: 256",
        "358,000 bytes",
    ):
        assert fact in text


def test_headings_descend_without_gaps(html: str) -> None:
    levels = [int(tag[1]) for tag, _ in Parsed(html).tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))


def test_names_cannot_bring_markup(run_folder: Builder) -> None:
    record = measurement_record("student-int8")
    record["name"] = record["file"] = HOSTILE
    record["data"]["name"] = record["machine"]["processor"] = HOSTILE
    record["quality"]["classes"][0]["name"] = HOSTILE
    folder = run_folder(records={"student-int8": record}, classes={HOSTILE: (1, 2, 3)})
    (folder / "recipe.yaml").write_text(f"name: |\n  </pre>{HOSTILE}\n")
    html = report_page(read_run(folder), [])
    parsed = Parsed(html)
    assert [tag for tag, _ in parsed.tags].count("script") == 1
    sources = [a["src"] for tag, a in parsed.tags if tag == "img"]
    assert all((source or "").startswith("data:") for source in sources)
    assert parsed.text().count("alert('x')") >= 6


def test_missing_parts_leave_their_sections_out(run_folder: Builder) -> None:
    bare = measurement_record("teacher", quality=None, latency=None, size=None)
    folder = run_folder(records={"teacher": bare}, samples=0)
    (folder / "recipe.yaml").unlink()
    text = Parsed(report_page(read_run(folder), [])).text()
    assert "No student has been measured yet." in text
    for section in ("Held-out images", "Plots", "By class", "Recipe"):
        assert section not in text


def test_warnings_stand_above_the_results(run_folder: Builder) -> None:
    record = measurement_record("teacher")
    record["data"]["split"]["leaking"] = True
    html = report_page(read_run(run_folder(records={"t": record}, samples=0)), [])
    assert html.index("Leaking split") < html.index(">Results<")


def test_large_noisy_pictures_still_fit(run_folder: Builder) -> None:
    names = ("teacher", "student-float", "student-int8")
    folder = run_folder(
        records={name: measurement_record(name) for name in names},
        samples=10,
        sample_px=(400, 480),
        noisy=True,
    )
    on_disk = sum(path.stat().st_size for path in folder.rglob("*.png"))
    assert on_disk > 8_000_000
    size_bytes = len(report_page(read_run(folder), []).encode())
    # More than half of the limit: pictures must not shrink more than they have to.
    assert 2_500_000 < size_bytes <= 5_000_000


def test_a_page_that_cannot_fit_is_refused(
    records: RunRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "MOST_PAGE_BYTES", 20_000)
    with pytest.raises(
        RunFolderError, match=r"more than 20.0 kB. Even the .* take fewer samples"
    ):
        report_page(records, [])
