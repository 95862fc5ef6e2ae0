from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segshrink.errors import RunFolderError
from segshrink.reporting.differences import difference_map
from segshrink.reporting.plots.theme import LIGHT
from segshrink.reporting.run_records import read_run
from segshrink.reporting.side_by_side import (
    difference_colors,
    legend_colors,
    read_picture,
    side_plots,
    sides,
    worst_sides,
)

from .run_folder import CLASSES, FILES, measurement_record

Builder = Callable[..., Path]


def test_image_truth_teacher_and_every_student_in_this_order(
    run_folder: Builder,
) -> None:
    [first, _] = sides(read_run(run_folder(samples=2)))
    assert first.name == "Tile 2/image_part_000"
    assert [panel.label for panel in first.panels] == [
        "image",
        "truth",
        "teacher",
        "student-float",
        "student-int8",
        "student-onnx",
        "student-float against the teacher",
        "student-int8 against the teacher",
        "student-onnx against the teacher",
    ]
    assert [panel.is_photo for panel in first.panels] == [True] + 8 * [False]
    # The slider is between the teacher and the file to take.
    slides = {panel.label: panel.slides for panel in first.panels if panel.slides}
    assert slides == {"teacher": "teacher", "student-int8": "student"}
    *_, last = first.panels
    sample = read_run(first.panels[0].path.parents[3]).samples[0]
    against = sample.truth, sample.predictions["teacher"]
    assert (last.path, last.against) == (sample.predictions["student-onnx"], against)


def test_the_teacher_is_that_of_the_shipped_runtime(run_folder: Builder) -> None:
    names = ("teacher", "teacher-onnx", "student-onnx")
    records = {name: measurement_record(name) for name in names}
    [side] = sides(read_run(run_folder(records=records, samples=1)))
    assert [panel.label for panel in side.panels[2:]] == [
        "teacher-onnx",
        "student-onnx",
        "student-onnx against the teacher",
    ]


def test_at_most_twenty_samples(run_folder: Builder) -> None:
    folder = run_folder(samples=22, sample_px=(8, 8))
    assert len(sides(read_run(folder))) == 20


def test_a_missing_picture_is_left_out(run_folder: Builder) -> None:
    folder = run_folder(samples=1)
    (folder / "measurements/samples/00/student-int8.png").unlink()
    (folder / "measurements/samples/00/truth.png").unlink()
    [side] = sides(read_run(folder))
    labels = [panel.label for panel in side.panels]
    assert "truth" not in labels and "student-int8" not in labels
    # Without a truth nobody is right.
    assert not any(panel.against for panel in side.panels)
    assert difference_colors(read_run(folder)) == ()


def test_a_map_is_that_of_its_three_pictures(run_folder: Builder) -> None:
    records = read_run(run_folder(samples=1, worst=1))
    for [side] in (sides(records), worst_sides(records)):
        *_, panel = side.panels
        truth, teacher = (
            np.asarray(Image.open(path).convert(mode))
            for path, mode in zip(panel.against or (), ("RGBA", "RGB"), strict=True)
        )
        student = np.asarray(Image.open(panel.path))
        np.testing.assert_array_equal(
            np.asarray(read_picture(panel, 1000)),
            difference_map(truth, teacher, student),
        )


def test_an_image_is_not_shown_twice(run_folder: Builder) -> None:
    records = read_run(run_folder(samples=2, worst=2))
    assert len(worst_sides(records)) == 2
    first = replace(records.worst[0], name=records.samples[1].name)
    found = worst_sides(replace(records, worst=(first, records.worst[1])))
    assert [side.name for side in found] == [records.worst[1].name]


def test_void_stands_in_the_colours_of_differences_where_there_is_some(
    run_folder: Builder,
) -> None:
    records = read_run(run_folder(samples=1))
    assert len(difference_colors(records)) == 5
    scored = [
        each.model_copy(
            update={"quality": each.quality.model_copy(update={"void_pixels": 0})}
        )
        for each in records.measurements
        if each.quality
    ]
    without = replace(records, measurements=tuple(scored))
    assert "void" not in " ".join(x.name for x in difference_colors(without))


def test_a_picture_that_cannot_be_read_is_named(
    run_folder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    [side] = sides(read_run(run_folder(samples=1)))
    # Larger than Pillow opens, which is no OSError.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    with pytest.raises(RunFolderError, match="image.png: not a readable picture"):
        read_picture(side.panels[0], 100)


def test_a_picture_has_panels_and_a_legend(run_folder: Builder) -> None:
    records = read_run(run_folder(samples=1))
    [plot] = side_plots(records)
    figure = plot.draw(LIGHT)
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == 6
    [legend] = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == [*CLASSES, "void, not scored"]
    truth = np.asarray(Image.open(records.samples[0].truth or ""))
    np.testing.assert_array_equal(shown[1].images[0].get_array(), truth)


def test_the_legend_stays_inside_the_picture(run_folder: Builder) -> None:
    [plot] = side_plots(read_run(run_folder(samples=1)))
    figure = plot.draw(LIGHT)
    figure.draw_without_rendering()
    frame = figure.legends[0].get_window_extent()
    assert frame.x0 >= 0 and frame.y0 >= 0
    assert frame.x1 <= figure.bbox.width


def test_void_stands_in_the_legend_only_where_there_is_some(
    run_folder: Builder,
) -> None:
    record = measurement_record("teacher")
    record["quality"]["void_pixels"] = 0
    records = read_run(run_folder(records={"teacher": record}))
    assert [each.name for each in legend_colors(records)] == list(CLASSES)


def test_the_fixture_has_a_file_of_every_role() -> None:
    assert {file[0] for file in FILES.values()} == {
        "teacher",
        "masked",
        "alone",
        "student",
    }
