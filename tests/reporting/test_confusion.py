"""Tables of confusion against the counts."""

import numpy as np

from segshrink.reporting.confusion import confusion_tables
from segshrink.reporting.run_records import read_run

from .images import with_images
from .run_folder import measurement_record


def records_of(run_folder, student):
    teacher = with_images(measurement_record("teacher"), [0.9] * 5)
    return read_run(run_folder(records={"t": teacher, "s": student}, samples=0))


def test_teacher_and_file_to_take_have_one_each(run_folder):
    student = with_images(measurement_record("student-int8"), [0.5] * 5)
    records = records_of(run_folder, student)
    teacher, own = confusion_tables(records)
    assert (teacher.label, own.label) == ("teacher", "student-int8")
    counts = np.array(student["quality"]["confusion"])
    row, column = 0, 1
    cell, total = own.rows[row][column], counts[row].sum()
    assert cell.text == f"{100 * counts[row, column] / total:.0f}"
    assert cell.title == (
        f"{counts[row, column]:,} of {total:,} pixels of Building as Land"
    )
    assert [each.is_right for each in own.rows[2]] == [x == 2 for x in range(6)]
    # The class without pixels has no shares.
    assert {each.text for each in own.rows[5]} == {"–"}


def test_of_many_classes_the_commonest_stand_alone(run_folder):
    record = measurement_record("student-int8")
    random = np.random.default_rng(0)
    counts = random.integers(0, 50, (40, 40))
    counts[7] += 900
    record["quality"]["confusion"] = counts.tolist()
    record["quality"]["classes"] = [
        {"name": f"c{place}", "pixels": int(row.sum())}
        for place, row in enumerate(counts)
    ]
    *_, own = confusion_tables(records_of(run_folder, record))
    assert len(own.names) == len(own.rows) == 20 and own.names[-1] == "all others"
    assert "c7" in own.names
    shown = [int(name[1:]) for name in own.names[:-1]]
    sums = counts.sum(axis=0) + counts.sum(axis=1)
    rest = [place for place in range(40) if place not in shown]
    assert min(sums[shown]) >= max(sums[rest])
    both = counts[np.ix_(rest, rest)].sum()
    total = counts[rest].sum()
    assert own.rows[-1][-1].title == (
        f"{both:,} of {total:,} pixels of all others as all others"
    )


def test_records_of_early_versions_have_none(run_folder):
    assert confusion_tables(read_run(run_folder(samples=0))) == ()
