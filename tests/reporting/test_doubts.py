"""A gain over a weak teacher is told as what it is."""

from dataclasses import replace

import pytest

from segshrink.records.measurement import Role
from segshrink.reporting.caption import warning_lines
from segshrink.reporting.doubts import doubts_of_teacher
from segshrink.reporting.headline import headline
from segshrink.reporting.run_records import History, read_run
from segshrink.reporting.verdict import verdict


def changed(records, **scores):
    """The records with other scores, `role=(pixel accuracy, mean IoU)`."""

    def other(each):
        if each.role not in scores or each.quality is None:
            return each
        accuracy, mean_iou = scores[each.role]
        update = {"pixel_accuracy": accuracy, "mean_iou": mean_iou}
        quality = each.quality.model_copy(update=update)
        return each.model_copy(update={"quality": quality})

    return replace(records, measurements=tuple(map(other, records.measurements)))


@pytest.fixture
def records(run_folder):
    return read_run(run_folder())


def learned(records, teacher, *, tiles=(4000, 4000)):
    """The records with validation mIoU of the teacher's epochs."""
    epochs = tuple(range(1, len(teacher) + 1))
    histories = {
        Role.TEACHER: History(epochs, {"val_miou": tuple(teacher)}, 500, tiles[0]),
        Role.STUDENT: History((1,), {"val_miou": (0.5,)}, 500, tiles[1]),
    }
    return replace(records, histories=histories)


def test_a_good_teacher_is_not_doubted(records):
    assert doubts_of_teacher(records) == ()


def test_a_teacher_worse_than_one_class_is_no_measure(records):
    pixels = [each.pixels for each in records.measurements[0].quality.classes]
    share = max(pixels) / sum(pixels)
    weak = changed(records, teacher=(share - 0.01, 0.2))
    (doubt,) = doubts_of_teacher(learned(weak, [0.7, 0.7]))
    doubt = doubt.sentence
    assert "Vegetation everywhere would be right for" in doubt
    assert doubt in warning_lines(weak)
    good = changed(records, teacher=(share + 0.01, 0.2))
    assert doubts_of_teacher(learned(good, [0.7, 0.7])) == ()


def test_as_often_right_as_one_class_is_no_measure_either(records):
    pixels = [each.pixels for each in records.measurements[0].quality.classes]
    weak = changed(records, teacher=(max(pixels) / sum(pixels), 0.2))
    doubts = doubts_of_teacher(learned(weak, [0.7, 0.7]))
    assert "Vegetation everywhere would be right as often" in doubts[0].brief


def test_where_all_pixels_are_of_one_class_all_may_be_right(records):
    def of_one_class(each):
        classes = [
            x.model_copy(update={"pixels": 100 if x.name == "Land" else 0})
            for x in each.quality.classes
        ]
        update = {"classes": tuple(classes), "mean_iou": 1.0, "pixel_accuracy": 1.0}
        quality = each.quality.model_copy(update=update)
        return each.model_copy(update={"quality": quality})

    found = tuple(map(of_one_class, records.measurements))
    prior = found[0].quality
    perfect = replace(records, measurements=found, color_prior=prior)
    assert doubts_of_teacher(learned(perfect, [0.7, 0.7])) == ()
    assert "too little" not in str(verdict(perfect))


def test_a_gain_over_a_teacher_that_was_stopped_is_no_gain(records):
    better = changed(records, student=(0.95, 0.9))
    (doubt,) = doubts_of_teacher(learned(better, [0.3, 0.5, 0.6]))
    doubt = doubt.sentence
    assert "still improving" in doubt and "50.0 %" in doubt and "60.0 %" in doubt
    assert doubts_of_teacher(learned(better, [0.3, 0.6, 0.605])) == ()
    assert headline(learned(better, [0.3, 0.6])).figures[-1].is_gain is None
    assert headline(learned(better, [0.6, 0.6])).figures[-1].is_gain is True
    # Where the student loses, there is no gain to doubt.
    worse = changed(records, student=(0.5, 0.3))
    assert doubts_of_teacher(learned(worse, [0.3, 0.6])) == ()


def test_a_student_that_saw_more_was_more_patient(records):
    better = changed(records, student=(0.95, 0.9))
    (doubt,) = doubts_of_teacher(learned(better, [0.6, 0.6], tiles=(1560, 4320)))
    doubt = doubt.sentence
    assert "1,560 tiles and the student on 4,320" in doubt
    assert doubts_of_teacher(learned(better, [0.6, 0.6], tiles=(4320, 4320))) == ()
