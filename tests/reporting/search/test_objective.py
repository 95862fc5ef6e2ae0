import pytest

from segshrink.reporting.search.objective import (
    Objective,
    improvements,
    ranked,
    worst_shown,
)

from .search_folder import large_search, read_record, small_search


def numbers(record: dict[str, object]) -> list[int]:
    return [trial.number for trial in ranked(read_record(record))]


def test_the_best_come_first_and_what_failed_last() -> None:
    assert numbers(small_search()) == [4, 0, 1, 2, 3, 5, 6]


def test_the_least_loss_comes_first() -> None:
    record = small_search(objective="val_loss", best=1)
    for number, loss in ((0, 0.8), (1, 0.7), (4, 0.75)):
        record["trials"][number]["val_loss"] = loss
    assert numbers(record)[:3] == [1, 4, 0]


def test_of_a_front_its_trials_come_first() -> None:
    record = small_search(objective="front", best=None, front=[1, 4])
    assert numbers(record)[:3] == [4, 1, 0]


def test_only_trials_within_the_limits_are_the_best_so_far() -> None:
    # Trial 2 has more mIoU than any other and is over a limit.
    assert improvements(read_record(small_search())) == [(0, 61.0), (4, 63.0)]


@pytest.mark.parametrize("objective", ["miou", "val_loss"])
def test_the_best_so_far_never_gets_worse(objective: str) -> None:
    record = large_search(80, objective=objective)
    places, values = map(list, zip(*improvements(read_record(record)), strict=True))
    assert places == sorted(places)
    assert values == sorted(values, reverse=objective == "val_loss")
    assert places[-1] == record["best"]


def test_a_stopped_trial_shows_its_last_epoch() -> None:
    record = read_record(small_search())
    assert Objective("miou").shown(record.trials[3]) == pytest.approx(31.0)
    assert Objective("val_loss").shown(record.trials[3]) == 0.31
    assert Objective("miou").shown(record.trials[6]) is None


def test_very_bad_trials_do_not_stretch_the_axis() -> None:
    # The median is 2 points from the best, so the axis ends 6 below it.
    values = [60.0, 59.0, 58.0, 58.0, 57.0, 3.0]
    assert worst_shown(values, Objective("miou")) == pytest.approx(54.0)
    losses = [-value for value in values]
    assert worst_shown(losses, Objective("val_loss")) == pytest.approx(-54.0)


@pytest.mark.parametrize(
    "values", [[], [60.0, 3.0], [60.0] * 9, [60.0, 59.0, 58.0, 58.0, 57.0, 55.0]]
)
def test_nothing_is_cut_off_without_need(values: list[float]) -> None:
    assert worst_shown(values, Objective("miou")) is None
