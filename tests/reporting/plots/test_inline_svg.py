"""Figures inside a page: they say their numbers, and reach nothing outside."""

import re
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from segshrink.reporting.drawing import drawn_plot
from segshrink.reporting.plots.inline_svg import describe, describe_points
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.theme import DARK, LIGHT
from segshrink.reporting.report import number_plots
from segshrink.reporting.run_records import read_run
from segshrink.reporting.units import human_percent

from ..run_folder import FILES, build_run_folder

HOSTILE = "</title><script>alert(1)</script>"


@pytest.fixture(scope="module")
def plots(tmp_path_factory):
    folder = build_run_folder(tmp_path_factory.mktemp("svg") / "RUN", samples=0)
    return {plot.stem: plot for plot in number_plots(read_run(folder))}


def titles(svg):
    return [each.text or "" for each in ElementTree.fromstring(svg).iter("title")]


def test_each_bar_and_each_point_says_its_numbers(plots):
    said = titles(plots["class_iou"].svg(LIGHT))
    miou = FILES["student-int8"][8]
    assert f"student-int8: IoU of Building {human_percent(miou + 0.02)} %" in said
    # Five files of the runtime, five classes that occur.
    assert len(said) == 25
    said = titles(plots["quality_latency"].svg(LIGHT))
    assert "6: student-int8, 213 kB, LiteRT: 77.1 % in 14.6 ms" in said
    said = titles(plots["cost"].svg(LIGHT))
    assert "student-int8: 213 kB (33.7×)" in said
    assert "student-int8: 14.6 ms (8.11×)" in said
    said = titles(plots["training"].svg(LIGHT))
    assert sum(each.startswith("teacher, epoch ") for each in said) == 15
    assert len(titles(plots["precision_recall"].svg(LIGHT))) == 2 * 5 * 11


def test_it_reaches_nothing_outside_itself(plots):
    ids = []
    for plot in plots.values():
        for _, svg in drawn_plot(plot).pictures:
            root = ElementTree.fromstring(svg)
            assert (
                root.attrib["role"] == "img" and root.attrib["aria-label"] == plot.alt
            )
            assert not {"style", "script", "image", "metadata"} & {
                x.tag for x in root.iter()
            }
            own = [x.attrib["id"] for x in root.iter() if "id" in x.attrib]
            referred = set(re.findall(r"#([\w-]+)", re.sub(r"#[0-9a-f]{6}\b", "", svg)))
            assert referred <= set(own)
            hrefs = [x.attrib["href"] for x in root.iter() if "href" in x.attrib]
            assert all(href.startswith("#") for href in hrefs)
            assert "http" not in svg and "width=" not in svg[: svg.index(">")]
            ids += own
    assert len(ids) == len(set(ids))


def test_plots_of_a_run_fit_narrow_paper(plots):
    for plot in plots.values():
        assert plot.fits_narrow
        names = [name for name, _ in drawn_plot(plot).pictures]
        assert names == ["light wide", "dark wide", "light narrow", "dark narrow"]
        for theme in (LIGHT, DARK):
            width, _ = plot.draw(theme.narrow()).get_size_inches()
            assert width <= theme.narrow().width_inches


def test_other_plots_have_one_width():
    plot = Plot("x", "x", "x", lambda _: Figure((1, 1)))
    assert [name for name, _ in drawn_plot(plot).pictures] == ["light any", "dark any"]


def test_the_same_numbers_are_the_same_text(plots):
    for plot in plots.values():
        assert plot.svg(LIGHT) == plot.svg(LIGHT) != plot.svg(DARK)


def test_what_is_said_is_text():
    def draw(_):
        figure = Figure((2, 2))
        axes = figure.subplots()
        axes.set_title(HOSTILE)
        describe(axes.bar([0], [1])[0], HOSTILE)
        return figure

    svg = Plot("x", "x", HOSTILE, draw).svg(LIGHT)
    assert "<script" not in svg and titles(svg) == [HOSTILE]


def test_of_many_points_some_say_their_text():
    axes = Figure((2, 2)).subplots()
    places = list(range(1000))
    describe_points(axes, places, places, [str(each) for each in places])
    assert 50 <= len(axes.collections) <= 60
