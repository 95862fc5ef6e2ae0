import re
from typing import Any

import pytest

from segshrink.errors import RunFolderError
from segshrink.reporting import page as page_module
from segshrink.reporting.search.report import search_page

from ..test_page import HOSTILE, Parsed, a_plot
from .search_folder import large_search, only, read_record, small_search


def page_of(record: dict[str, Any], tmp_path: Any) -> str:
    return search_page(tmp_path / "SEARCH", read_record(record), [a_plot()])


def test_it_loads_nothing_from_elsewhere(tmp_path: Any) -> None:
    html = page_of(small_search(), tmp_path)
    parsed = Parsed(html)
    loading = [
        value or ""
        for _, attributes in parsed.tags
        for name, value in attributes.items()
        if name in ("src", "srcset", "href", "action", "data", "poster", "background")
    ]
    # Its plots are elements of the page, which refer to their own parts.
    assert "<svg" in html and all(value.startswith("#") for value in loading)
    assert "script" not in {tag for tag, _ in parsed.tags}
    assert "default-src 'none'" in html and "prefers-color-scheme: dark" in html


def test_what_was_found_stands_in_it(tmp_path: Any) -> None:
    text = Parsed(page_of(small_search(), tmp_path)).text()
    for fact in (
        "segshrink search report",
        "Of 7 trials number 4 is the best within 5.00 ms and 200 kB",
        "+2.0",
        "Values of the best trial",
        "16 to 64 in steps of 8, where kind is compact",
        "the loss became no number in epoch 1",
        "the figures of the best of 4 are optimistic",
        "7.5 % of their time went into no trial",
        "Tile 2, Tile 5 (unseen)",
        "LiteRT 2.1.0",
    ):
        assert fact in text
    assert "All 7 trials" not in text


def test_headings_descend_without_gaps(tmp_path: Any) -> None:
    tags = Parsed(page_of(small_search(), tmp_path)).tags
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))


def test_of_many_trials_the_best_stand_in_front_and_all_are_there(
    tmp_path: Any,
) -> None:
    record = large_search(200)
    html = page_of(record, tmp_path)
    top, _, rest = html.partition("<details>")
    rows = re.compile(r'<th scope="row">([^<]+)</th>')
    of_trials = [row for row in rows.findall(top) if row[0].isdigit()]
    assert len(of_trials) == 16 and of_trials[0] == str(record["best"])
    assert "All 200 trials" in rest
    folded = rows.findall(rest.partition("</details>")[0])
    assert {int(row.split()[0]) for row in folded if row[0].isdigit()} == set(
        range(200)
    )
    assert len(html.encode()) < 1_000_000


def test_of_very_many_trials_the_rest_is_counted(tmp_path: Any) -> None:
    html = page_of(large_search(600), tmp_path)
    assert "The best 500 of 600 trials; search.json has all" in html


def test_a_front_has_its_values_side_by_side(tmp_path: Any) -> None:
    record = small_search(objective="front", best=None)
    text = Parsed(page_of(record, tmp_path)).text()
    assert (
        "Values along the Pareto front" in text and "2 are on the Pareto front" in text
    )


@pytest.mark.parametrize("numbers", [(), (2,), (3, 5, 6), (0,)])
def test_little_to_tell_leaves_sections_out(
    numbers: tuple[int, ...], tmp_path: Any
) -> None:
    record = only(small_search(teacher=None), *numbers)
    text = Parsed(page_of(record, tmp_path)).text()
    assert "Values of the best" not in text
    assert ("In brackets" in text) == (3 in numbers)
    assert "How it was searched" in text


def test_warnings_stand_above_the_trials(tmp_path: Any) -> None:
    html = page_of(only(small_search(), 2), tmp_path)
    assert html.index("No trial is within the limits") < html.index(">Trials<")


def test_names_cannot_bring_markup(tmp_path: Any) -> None:
    record = small_search()
    record["data"]["name"] = record["machine"]["processor"] = HOSTILE
    record["sampler"] = record["backend"] = HOSTILE
    record["space"][HOSTILE] = {"choice": [HOSTILE, {HOSTILE: HOSTILE}]}
    for trial in record["trials"]:
        trial["values"][HOSTILE] = trial["reason"] = HOSTILE
    html = page_of(record, tmp_path)
    parsed = Parsed(html)
    assert "script" not in {tag for tag, _ in parsed.tags}
    assert "img" not in {tag for tag, _ in parsed.tags}
    assert parsed.text().count("alert('x')") > 20


def test_a_page_that_cannot_fit_is_refused(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "MOST_PAGE_BYTES", 2_000)
    with pytest.raises(RunFolderError, match=r"more than 2.0 kB. Reasons or values"):
        page_of(small_search(), tmp_path)
