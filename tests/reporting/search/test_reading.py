from collections.abc import Callable
from pathlib import Path

import pytest

from segshrink.errors import RunFolderError
from segshrink.reporting import is_search, read_search
from segshrink.reporting.search.caption import settings

from .search_folder import SPACE, small_search

Builder = Callable[..., Path]


def test_the_whole_record_is_read(search_folder: Builder) -> None:
    folder = search_folder()
    record = read_search(folder)
    assert is_search(folder)
    assert [trial.number for trial in record.trials] == list(range(7))
    assert record.best_trial is record.trials[4]
    assert [trial.number for trial in record.front_trials] == [1, 4]
    assert record.default_trial is record.trials[0]
    assert record.trials[3].epochs == (0.2, 0.31)
    assert record.limits.latency_ms == 5.0 and record.limits.size_bytes == 200_000
    assert record.data.split.val == ("Tile 3",)
    assert record.teacher is not None and record.teacher.miou == 0.71
    assert set(record.space) == set(SPACE)
    rate = record.space["student.training.learning_rate"]
    assert (rate.bounds, rate.log) == ((2.0e-4, 1.0e-2), True)
    width = record.space["student.model.width"]
    assert (width.bounds, width.step) == ((16, 64), 8)
    assert width.when == {"student.kind": "compact"}
    assert record.space["student.kind"].choice == ("pruned", "compact")


def test_trials_come_by_number(search_folder: Builder) -> None:
    record = small_search()
    record["trials"].reverse()
    trials = read_search(search_folder(record)).trials
    assert [trial.number for trial in trials] == list(range(7))


def test_what_the_report_does_not_know_is_passed_over(search_folder: Builder) -> None:
    record = small_search(comment="of a later version")
    record["trials"][0]["remedy"] = "bias_correction"
    assert len(read_search(search_folder(record)).trials) == 7


def test_time_outside_of_trials(search_folder: Builder) -> None:
    # 148 of the 2 * 80 seconds that two workers had.
    record = read_search(search_folder())
    assert record.share_outside_trials == pytest.approx(1 - 148 / 160)


@pytest.mark.parametrize(
    ("seconds", "trial_seconds", "share"), [(0.0, 0.0, None), (10.0, 30.0, 0.0)]
)
def test_time_outside_of_trials_is_a_share_or_unknown(
    search_folder: Builder, seconds: float, trial_seconds: float, share: float | None
) -> None:
    folder = search_folder(seconds=seconds, trial_seconds=trial_seconds)
    assert read_search(folder).share_outside_trials == share


@pytest.mark.parametrize(
    ("waited", "text"), [(None, None), (3.7, "2.5 % of the time in trials")]
)
def test_time_between_trials_is_told_if_it_is_known(
    search_folder: Builder, waited: float | None, text: str | None
) -> None:
    record = read_search(search_folder(scheduling_seconds=waited))
    assert settings(record).get("Between trials") == text


def test_a_folder_without_the_record_is_no_search(tmp_path: Path) -> None:
    assert not is_search(tmp_path) and not is_search(tmp_path / "none")
    with pytest.raises(RunFolderError, match=r"search.json: no record of a search"):
        read_search(tmp_path)


def test_all_faults_of_a_record_are_listed(search_folder: Builder) -> None:
    record = small_search(objective="speed", workers=0)
    record["trials"][2]["miou"] = 64.0
    record["trials"][3]["state"] = "bored"
    with pytest.raises(RunFolderError) as caught:
        read_search(search_folder(record))
    message = str(caught.value)
    assert "search.json: not a record of the known shape" in message
    assert "objective: Input should be 'miou', 'val_loss' or 'front'" in message
    assert "workers" in message and "got 0" in message
    assert "trials.2.miou" in message and "got 64.0" in message
    assert "trials.3.state" in message and "'bored'" in message


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"best": 70}, r"not there \(70\)"),
        ({"front": [1, 8]}, r"not there \(8\)"),
        ({"format": 2}, "format"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(
    search_folder: Builder, changes: dict[str, object], fault: str
) -> None:
    with pytest.raises(RunFolderError, match=fault):
        read_search(search_folder(**changes))


def test_two_trials_of_one_number_are_refused(search_folder: Builder) -> None:
    record = small_search()
    record["trials"].append(record["trials"][1])
    with pytest.raises(RunFolderError, match=r"same number \(1\)"):
        read_search(search_folder(record))


def test_half_a_record_is_named(search_folder: Builder) -> None:
    path = search_folder() / "search.json"
    path.write_text(path.read_text()[:200])
    with pytest.raises(RunFolderError, match=r"search.json: not a readable record"):
        read_search(path.parent)
