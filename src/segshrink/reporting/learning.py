"""How soon the student learned, with the teacher and without."""

from collections.abc import Sequence

from segshrink.records.learning import MOST, first_epoch_with
from segshrink.records.measurement import Role
from segshrink.reporting.run_records import History, RunRecords
from segshrink.reporting.units import human_percent


def learning_sentences(records: RunRecords) -> Sequence[str]:
    """Steps in which the student learned most, and what the student alone learned.

    A step counts when its epoch was validated. Empty for runs of versions that did not
    record their steps.
    """
    student = records.histories.get(Role.STUDENT)
    alone = records.histories.get(Role.NO_TEACHER)
    most = _most(student)
    if student is None or most is None:
        return ()
    start = f"The distilled student reached {MOST:.0%} of its best validation mIoU"
    beside = _most(alone)
    if alone is None or beside is None:
        return (f"{start} ({most}).",)
    return (f"{start} ({most}), alone its own ({beside}).", _overtaking(student, alone))


def _most(history: History | None) -> str | None:
    """`39.1 % after 300 of 1,200 steps`; None if it is not known."""
    best = history and history.best_epoch
    if not history or not best or history.steps is None:
        return None
    # After one validation nothing is known of the steps before it.
    if len(history.validated) < 2:
        return None
    miou = MOST * best[1]
    epoch = first_epoch_with(miou, history.validated)
    steps = f"{_steps(history, epoch):,} of {history.steps:,} steps"
    return f"{human_percent(miou)} % after {steps}"


def _overtaking(student: History, alone: History) -> str:
    """When the distilled student reached what the student alone ended with."""
    epoch_alone, miou = alone.best_epoch or (0, 0.0)
    took = f"{_steps(alone, epoch_alone):,}"
    ended = f"the mIoU at which the student alone ended ({human_percent(miou)} %"
    epoch = first_epoch_with(miou, student.validated)
    if epoch is None:
        return f"It did not reach {ended} after {took} steps)."
    return (
        f"It reached {ended} after {took} steps) in {_steps(student, epoch):,} steps."
    )


def _steps(history: History, epoch: int | None) -> int:
    """Training steps up to the end of an epoch."""
    return round((history.steps or 0) * (epoch or 0) / len(history.epochs))
