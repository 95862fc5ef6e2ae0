"""Reasons why a student's gain over its teacher says little: the teacher was weak."""

from segshrink.records.measurement import Quality, Role
from segshrink.reporting.comparison import reference_of, shipped_student
from segshrink.reporting.run_records import RunRecords
from segshrink.reporting.units import human_percent

# A best epoch at the end that is better by less is where most trainings end.
_STILL_IMPROVING = 0.01


def doubts_of_teacher(records: RunRecords) -> tuple[str, ...]:
    """Sentences about a teacher that is too weak to be compared with; often empty.

    A teacher that is worse than one colour for everything is no measure at all. One
    that was stopped early, or that saw fewer tiles than its student, is doubted only
    where the student is better than it.
    """
    shipped = shipped_student(records.measurements)
    reference = reference_of(shipped, records.measurements) if shipped else None
    if shipped is None or reference is None or reference.quality is None:
        return ()
    below = _below_one_class(reference.quality)
    student_miou, teacher_miou = shipped.mean_iou, reference.mean_iou
    is_better = (student_miou or 0.0) > (teacher_miou or 0.0)
    found = (below, *((_improving(records), _views(records)) if is_better else ()))
    return tuple(sentence for sentence in found if sentence is not None)


def _below_one_class(quality: Quality) -> str | None:
    pixels = {each.name: each.pixels for each in quality.classes}
    total = sum(pixels.values())
    if not total or quality.pixel_accuracy is None:
        return None
    commonest = max(pixels, key=lambda name: pixels[name])
    share = pixels[commonest] / total
    if quality.pixel_accuracy > share:
        return None
    return (
        "The teacher is too weak to compare with: it is right for "
        f"{human_percent(quality.pixel_accuracy)} % of the pixels, and "
        f"{commonest} everywhere would be right for {human_percent(share)} %. Train it "
        "for longer."
    )


def _improving(records: RunRecords) -> str | None:
    history = records.histories.get(Role.TEACHER)
    validated = history.validated if history else []
    if len(validated) < 2:
        return None
    *before, (_, last) = validated
    best_before = max(miou for _, miou in before)
    if last < best_before + _STILL_IMPROVING:
        return None
    return (
        "The teacher was still improving when its training ended (validation mIoU "
        f"{human_percent(best_before)} % before its last epochs, {human_percent(last)} "
        "% after), so that the student's gain over it says little. Train it for longer."
    )


def _views(records: RunRecords) -> str | None:
    teacher = records.histories.get(Role.TEACHER)
    student = records.histories.get(Role.STUDENT)
    seen = (teacher.tiles if teacher else None, student.tiles if student else None)
    if seen[0] is None or seen[1] is None or seen[0] >= seen[1]:
        return None
    return (
        f"The teacher was trained on {seen[0]:,} tiles and the student on {seen[1]:,}, "
        "so that a part of the student's gain is patience."
    )
