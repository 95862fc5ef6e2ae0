"""Sentences on how soon a student learned, from histories that are made up."""

import json

import pytest

from segshrink.records.measurement import Role
from segshrink.reporting.headline import headline
from segshrink.reporting.learning import learning_sentences
from segshrink.reporting.run_records import read_run

TRAINED = {
    "parameters": 12, "macs": 34, "seed": 0, "best_epoch": 1, "best_val_miou": 0.5,
    "best_val_loss": None, "seconds": 1.5, "tiles": 24, "versions": "",
}  # fmt: skip


def write_training(folder, kind, mious, steps):
    """History and record of a training run; None is an epoch without validation."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = ["" if miou is None else str(miou) for miou in mious]
    rows = [f"{epoch},0.5,{cell}" for epoch, cell in enumerate(cells, 1)]
    (folder / "history.csv").write_text(
        "\n".join(["epoch,loss,val_miou", *rows]) + "\n"
    )
    record = TRAINED | {"kind": kind, "epochs": len(mious)}
    if steps is not None:
        record["steps"] = steps
    (folder / "record.json").write_text(json.dumps(record))


@pytest.fixture
def told(run_folder):
    """Sentences of a run with these histories: mIoU by epoch, and steps."""

    def tell(student, alone=None):
        folder = run_folder(samples=0)
        write_training(folder / "student", "student", *student)
        place = folder / "baselines" / "alone"
        if alone:
            write_training(place, "alone", *alone)
        else:
            (place / "history.csv").unlink()
        records = read_run(folder)
        sentences = tuple(learning_sentences(records))
        assert headline(records).sentences[-len(sentences) or None :] == (
            sentences or headline(records).sentences
        )
        return sentences

    return tell


def test_student_and_student_alone(told):
    # 0.9 * 0.5 is reached in epoch 3 of 4, 100 steps each.
    distilled = ([0.2, 0.4, 0.46, 0.5], 400)
    alone = ([0.1, None, 0.3, None, 0.4, 0.39], 900)
    assert told(distilled, alone) == (
        "The distilled student reached 90% of its best validation mIoU (45.0 % after "
        "300 of 400 steps), alone its own (36.0 % after 750 of 900 steps).",
        "It reached the mIoU at which the student alone ended (40.0 % after 750 steps) "
        "in 200 steps.",
    )


def test_a_student_that_does_not_reach_it_says_so(told):
    _, second = told(([0.2, 0.3], 2400), ([0.1, 0.31], 2))
    assert second == (
        "It did not reach the mIoU at which the student alone ended (31.0 % after 2 "
        "steps)."
    )


def test_without_the_baseline_only_the_student_counts(told):
    assert told(([None, 0.3, None, 0.3], 4000)) == (
        "The distilled student reached 90% of its best validation mIoU (27.0 % "
        "after 2,000 of 4,000 steps).",
    )


def test_a_single_validation_says_nothing(told):
    assert told(([None, 0.3], 4000)) == ()


def test_runs_of_earlier_versions_have_none(told):
    assert told(([0.2, 0.3], None), ([0.2, 0.3], None)) == ()


def test_a_baseline_of_an_earlier_version_is_left_out(told):
    (sentence,) = told(([0.2, 0.3], 20), ([0.2, 0.3], None))
    assert "alone" not in sentence


def test_steps_are_those_of_the_record(run_folder):
    folder = run_folder(samples=0)
    assert read_run(folder).histories[Role.STUDENT].steps is None
    write_training(folder / "student", "student", [0.1, None, 0.3], 33)
    history = read_run(folder).histories[Role.STUDENT]
    assert history.steps == 33
    assert history.validated == [(1, 0.1), (3, 0.3)]
