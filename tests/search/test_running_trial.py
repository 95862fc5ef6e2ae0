"""What the files of a trial in progress show of it."""

from types import SimpleNamespace

import pytest

from segshrink.records.trial import Permission, Probe, Result
from segshrink.search.paths import GO, HISTORY, PROBE
from segshrink.search.running_trial import Figures, RunningTrial
from segshrink.search.watcher import ended_view

from .pretended import steady

ROWS = (
    "epoch,val_loss,val_miou",
    "1,2.0,0.25",
    "2,,",
    "3,1.5,0.5",
)


@pytest.fixture
def running(tmp_path):
    return RunningTrial(
        trial=SimpleNamespace(number=7),
        folder=tmp_path,
        slot=0,
        values={"student.model.width": 8},
        epochs=3,
        handle=None,
        earlier_seconds=10.0,
    )


def write_history(running, lines=ROWS):
    (running.folder / HISTORY).write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        ("miou", [(1, 0.25), (3, 0.5)]),
        ("front", [(1, 0.25), (3, 0.5)]),
        ("val_loss", [(1, 2.0), (3, 1.5)]),
    ],
)
def test_epochs_that_were_validated_are_reported_once(running, objective, expected):
    assert running.new_epochs(objective) == []
    write_history(running, ROWS[:2])
    assert running.new_epochs(objective) == expected[:1]
    running.reported.append(expected[0][1])
    write_history(running)
    assert running.new_epochs(objective) == expected[1:]
    assert running.mious == [0.25, 0.5]


def test_the_stages_of_a_trial(running):
    stages = [running.view().stage]
    Probe(file="probe.tflite", size_bytes=3).write(running.folder / PROBE)
    assert running.waits
    stages.append(running.view().stage)
    Permission(size_bytes=3).write(running.folder / GO)
    assert not running.waits
    stages.append(running.view().stage)
    running.trained = 3
    stages.append(running.view().stage)
    assert stages == ["starting", "timing", "training", "exporting"]


def test_epochs_without_validation_count_as_trained(running):
    rows = ["epoch,val_miou", "1,", "2,0.25"]
    write_history(running, rows)
    assert running.new_epochs("miou") == [(2, 0.25)]
    running.reported.append(0.25)
    view = running.view()
    assert (view.epoch, view.epochs, view.stage) == (2, 3, "training")
    write_history(running, [*rows, "3,"])
    assert running.new_epochs("miou") == []
    assert running.view().stage == "exporting"
    assert ended_view(running.ended("pruned", "it was worse")).epoch == 3


def test_a_view_shows_what_is_known(running):
    running.mious = [0.25, 0.5, 0.4]
    running.figures = Figures(size_bytes=9, timings_ms=[3.0, 1.0, 2.0])
    view = running.view()
    assert (view.number, view.state, view.epochs) == (7, "running", 3)
    assert (view.miou, view.latency_ms, view.size_bytes) == (0.5, 2.0, 9)
    assert view.seconds >= 10.0


def test_figures_of_a_result_replace_those_of_the_probe():
    figures = Figures()
    assert figures.latency_ms is None
    figures.take(Probe(file="probe.tflite", size_bytes=9, macs=5, parameters=4))
    figures.take(Result(miou=0.5, size_bytes=8))
    figures.timings_ms += [1.0, 2.0]
    assert figures.permission() == Permission(
        size_bytes=8, macs=5, parameters=4, timings_ms=(1.0, 2.0), latency_ms=1.5
    )


def test_what_a_trial_was_let_train_with_is_known_after_a_kill(tmp_path):
    assert Figures.permitted(tmp_path) == Figures()
    figures = Figures(8, 5, 4, [1.0, 2.0])
    figures.permission().write(tmp_path / GO)
    assert Figures.permitted(tmp_path) == figures


def test_a_trial_that_is_stopped_keeps_its_best_epoch(running):
    running.mious, running.reported = [0.25, 0.5], [0.25, 0.5]
    record = running.ended("pruned", "val_miou 0.5000 after epoch 2 of 3")
    assert (record.number, record.state) == (7, "pruned")
    assert record.reason == "val_miou 0.5000 after epoch 2 of 3"
    assert record.miou is None and record.best_epoch_miou == 0.5
    assert record.epochs == (0.25, 0.5) and record.seconds >= 10.0


def test_a_complete_trial_has_the_quality_of_its_file(running):
    running.mious = [0.75]
    result = Result(miou=0.5, val_loss=1.5, size_bytes=8, remedy="corrected biases")
    running.figures.take(result)
    running.figures.timings_ms.append(3.0)
    record = running.ended(
        "complete", result=result, latency=steady(3.0), file="trials/007/student.tflite"
    )
    assert (record.miou, record.val_loss, record.remedy) == (
        0.5,
        1.5,
        "corrected biases",
    )
    assert record.best_epoch_miou is None
    assert (record.latency_ms, record.size_bytes) == (3.0, 8)
    assert record.file == "trials/007/student.tflite" and record.reason is None
