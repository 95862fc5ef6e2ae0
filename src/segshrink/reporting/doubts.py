"""Reasons why a comparison with the teacher says little: the teacher was weak."""

from dataclasses import dataclass

from segshrink.records.measurement import Quality, Role
from segshrink.reporting.comparison import reference_of, shipped_student
from segshrink.reporting.run_records import RunRecords
from segshrink.reporting.units import human_percent

# A best epoch at the end that is better by less is where most trainings end.
_STILL_IMPROVING = 0.01


@dataclass(frozen=True)
class Doubt:
    """`brief` ends "the teacher is too weak to compare with:", `sentence` explains."""

    brief: str
    sentence: str


def doubts_of_teacher(records: RunRecords) -> tuple[Doubt, ...]:
    """Reasons why the teacher is too weak to be compared with; often empty.

    A teacher that is worse than one colour for everything, or than what each pixel's
    colour tells, is no measure at all, nor is one whose training was looked at once.
    One that was stopped early, or that saw fewer tiles than its student, is doubted
    only where the student is better than it.
    """
    shipped = shipped_student(records.measurements)
    reference = reference_of(shipped, records.measurements) if shipped else None
    if shipped is None or reference is None or reference.quality is None:
        return ()
    quality = reference.quality
    below = _below_one_class(quality) or _below_colors(quality, records.color_prior)
    student_miou, teacher_miou = shipped.mean_iou, reference.mean_iou
    is_better = (student_miou or 0.0) > (teacher_miou or 0.0)
    if_better = (_improving(records), _views(records)) if is_better else ()
    return tuple(filter(None, (below, _validated_once(records), *if_better)))


def _below_one_class(quality: Quality) -> Doubt | None:
    pixels = {each.name: each.pixels for each in quality.classes}
    total = sum(pixels.values())
    if not total or quality.pixel_accuracy is None:
        return None
    commonest = max(pixels, key=lambda name: pixels[name])
    share = pixels[commonest] / total
    # Where all pixels are of one class, it is the answer.
    if quality.pixel_accuracy > share or share == 1:
        return None
    often = "as" if quality.pixel_accuracy == share else "more"
    return Doubt(
        f"{commonest} everywhere would be right {often} often",
        f"The teacher is right for {human_percent(quality.pixel_accuracy)} % of the "
        f"pixels, and {commonest} everywhere would be right for {human_percent(share)} "
        "%. Train it for longer.",
    )


def _below_colors(quality: Quality, prior: Quality | None) -> Doubt | None:
    if not is_below(quality, prior) or prior is None:
        return None
    return Doubt(
        "the colour of each pixel alone tells more",
        f"The teacher has an mIoU of {human_percent(quality.mean_iou)} %, and the "
        "commonest class of each pixel's colour, which knows no shapes, "
        f"{human_percent(prior.mean_iou)} %. Train it for longer.",
    )


def is_below(quality: Quality | None, prior: Quality | None) -> bool:
    """Whether a model is no better than telling classes by colour alone."""
    if quality is None or prior is None:
        return False
    if None in (quality.mean_iou, prior.mean_iou) or quality.pixels != prior.pixels:
        return False
    miou = quality.mean_iou or 0.0
    return miou <= (prior.mean_iou or 0.0) and miou < 1


def _validated_once(records: RunRecords) -> Doubt | None:
    history = records.histories.get(Role.TEACHER)
    if history is None or len(history.validated) != 1:
        return None
    return Doubt(
        "its training was validated only once",
        "The teacher was validated only once, so that nothing shows whether its "
        "training was done. Train it for more epochs.",
    )


def _improving(records: RunRecords) -> Doubt | None:
    history = records.histories.get(Role.TEACHER)
    validated = history.validated if history else []
    if len(validated) < 2:
        return None
    *before, (_, last) = validated
    best_before = max(miou for _, miou in before)
    if last < best_before + _STILL_IMPROVING:
        return None
    return Doubt(
        "it was still improving when it stopped",
        "The teacher was still improving when its training ended (validation mIoU "
        f"{human_percent(best_before)} % before its last epochs, {human_percent(last)} "
        "% after), so that the student's gain over it says little. Train it for "
        "longer.",
    )


def _views(records: RunRecords) -> Doubt | None:
    teacher = records.histories.get(Role.TEACHER)
    student = records.histories.get(Role.STUDENT)
    seen = (teacher.tiles if teacher else None, student.tiles if student else None)
    if seen[0] is None or seen[1] is None or seen[0] >= seen[1]:
        return None
    return Doubt(
        "it saw fewer tiles than its student",
        f"The teacher was trained on {seen[0]:,} tiles and the student on {seen[1]:,}, "
        "so that a part of the student's gain is patience.",
    )
