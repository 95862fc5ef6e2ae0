"""The judgement at the top: what was starved is not praised."""

from dataclasses import replace

import pytest

from segshrink.formats import Format
from segshrink.records.measurement import Quality
from segshrink.reporting.headline import headline
from segshrink.reporting.page import report_page
from segshrink.reporting.run_records import read_run
from segshrink.reporting.verdict import file_to_take, verdict

from .images import with_images
from .run_folder import measurement_record

TEACHER = [0.8, 0.9, 0.85, 0.95, 0.75, 0.85, 0.7, 0.9]


def timed(record, ms, spread=0.01):
    record["latency"] |= {
        "median_ms": ms, "p25_ms": ms * (1 - spread), "p75_ms": ms * (1 + spread)
    }  # fmt: skip
    return record


@pytest.fixture
def run(run_folder):
    """A run of a teacher and students with these shares of right pixels by image."""

    def build(teacher=TEACHER, **students):
        records = {"teacher": with_images(measurement_record("teacher"), teacher)}
        for name, rights in students.items():
            own = measurement_record(name.replace("_", "-"))
            records[name] = with_images(own, rights)
        return records

    return build


def read(run_folder, records, prior=None):
    folder = run_folder(records=records, samples=0)
    if prior is not None:
        scores = with_images(measurement_record("teacher"), prior)["quality"]
        path = folder / "measurements" / "quality" / "color_prior.json"
        Quality.parse(scores, where="prior").write(path)
    return read_run(folder)


def test_a_starved_run_is_not_green(run, run_folder):
    records = run(teacher=[0.3] * 8, student_int8=[0.4] * 8)
    starved = read(run_folder, records, prior=[0.6] * 8)
    judged = verdict(starved)
    assert judged.is_doubtful
    assert "learned too little to be of use" in judged.sentences[0]
    assert (
        "too weak to compare with: the colour of each pixel alone tells more"
        in (judged.sentences[1])
    )
    assert not any("file to take" in sentence for sentence in judged.sentences)
    assert [each.is_gain for each in headline(starved).figures] == [None] * 3
    html = report_page(starved, [])
    assert 'class="gain"' not in html
    assert html.index("learned too little") < html.index('class="result"')
    # The same figures, were there no such prior.
    fed = replace(starved, color_prior=None)
    assert not verdict(fed).is_doubtful
    assert 'class="gain"' in report_page(fed, [])


def test_a_teacher_that_was_validated_once_is_no_measure(run, run_folder):
    records = read(run_folder, run(student_int8=[0.95] * 8))
    once = replace(
        records,
        histories={
            role: replace(
                history,
                columns={"val_miou": (0.5, *[None] * (len(history.epochs) - 1))},
            )
            for role, history in records.histories.items()
        },
    )
    assert verdict(once).sentences[0] == (
        "The teacher is too weak to compare with: its training was validated only once."
    )
    assert [each.is_gain for each in headline(once).figures] == [None] * 3


def test_a_difference_within_what_images_vary_is_none(run, run_folder):
    records = read(run_folder, run(student_int8=TEACHER[::-1]))
    (sentence, _) = verdict(records).sentences
    assert sentence.startswith(
        "The mIoU of student and teacher differs by no more than the 8 images vary "
        "(interval of 95 % −"
    )
    figure = headline(records).figures[-1]
    assert figure.is_gain is None and "interval of 95 %" in figure.detail


@pytest.mark.parametrize(
    ("right", "how", "is_gain"), [(0.97, "above", True), (0.4, "below", False)]
)
def test_a_difference_beyond_it_is_told(run, run_folder, right, how, is_gain):
    records = read(run_folder, run(student_int8=[right] * 8))
    (sentence, _) = verdict(records).sentences
    assert f"points {how} the teacher's, more than the 8 images vary" in sentence
    assert headline(records).figures[-1].is_gain is is_gain


def test_of_few_images_nothing_is_said(run, run_folder):
    records = read(run_folder, run(teacher=[0.9] * 3, student_int8=[0.8] * 3))
    assert verdict(records).sentences[0].startswith("Too few images were scored")


def test_int8_that_is_slower_is_told_and_not_taken(run, run_folder):
    records = run(student_int8=[0.8] * 8, student_float=[0.8] * 8)
    timed(records["student_int8"], 30.0)
    timed(records["student_float"], 20.0)
    found = read(run_folder, records)
    *_, slower, taken = verdict(found).sentences
    assert slower == (
        "On this processor int8 is slower than float (30.0 ms against 20.0 ms)."
    )
    assert taken == "The file to take on this machine: student-float (1.3 MB, 20.0 ms)."


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, "student-int8"),
        ({"ms": 30.0}, "student-float"),
        # Within the spread of the fastest the smallest is taken.
        ({"ms": 28.0, "spread": 0.1}, "student-int8"),
        ({"miou": 0.75}, "student-float"),
        # A latency of another machine ranks nothing.
        ({"machine": {"processor": "Other"}}, "student-int8"),
    ],
)
def test_which_file_is_taken(run_folder, changes, taken):
    record = measurement_record("student-int8")
    if "ms" in changes:
        timed(record, changes["ms"], changes.get("spread", 0.01))
    if "miou" in changes:
        record["quality"]["mean_iou"] = changes["miou"]
    if "machine" in changes:
        record["machine"] |= changes["machine"]
    records = {
        name: measurement_record(name) for name in ("teacher", "student-float")
    } | {"i": record}
    assert records["student-float"]["runtime"] == Format.LITERT
    assert file_to_take(read_run(run_folder(records=records))).name == taken


def test_records_of_early_versions_name_the_file_alone(run_folder):
    judged = verdict(read_run(run_folder(samples=0)))
    assert judged.sentences == (
        "The file to take on this machine: student-int8 (358 kB, 14.6 ms).",
    )
    assert not judged.is_doubtful


def test_without_a_student_nothing_is_judged(run_folder):
    records = {"teacher": measurement_record("teacher")}
    assert verdict(read_run(run_folder(records=records))) is None
