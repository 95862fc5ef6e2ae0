from typing import Any

import pytest

from segshrink.reporting.search.headline import search_headline

from .search_folder import only, read_record, small_search


def sentences(record: dict[str, Any]) -> tuple[str, ...]:
    return search_headline(read_record(record)).sentences


def test_the_best_stands_against_the_recipe_and_the_teacher() -> None:
    assert sentences(small_search())[0] == (
        "Of 7 trials number 4 is the best within 5.00 ms and 200 kB: 63.0 % of mIoU "
        "at 4.20 ms and 180 kB, against 61.0 % of mIoU at 4.40 ms and 190 kB of the "
        "recipe's own values and 71.0 % of mIoU at 31.5 ms and 1.9 MB of the teacher."
    )


def test_figures_tell_gains_and_losses() -> None:
    figures = search_headline(read_record(small_search())).figures
    assert [(each.number, each.meaning, each.is_gain) for each in figures] == [
        ("63.0 %", "mIoU of the best", None),
        ("+2.0", "points of mIoU", True),
        ("−8.0", "points of mIoU", False),
        ("7.50×", "faster", True),
        ("10.8×", "smaller", True),
    ]


def test_trials_are_counted_with_their_seconds() -> None:
    counts, time = sentences(small_search())[1:]
    # 30 + 30 + 30 + 41 seconds of four trials, one of them over a limit.
    assert counts == (
        "Trials: 4 ran to the end (1 over a limit, 2 min 11 s), 1 was stopped early "
        "(12 s), 1 was skipped untrained (1.5 s) and 1 failed (3.0 s)."
    )
    assert time == (
        "The search took 1 min 20 s with 2 workers; 7.5 % of their time went into no "
        "trial."
    )


def test_a_search_that_improved_nothing_says_so() -> None:
    [first, *_] = sentences(only(small_search(), 0, 1, 3, best=0))
    assert first.startswith(
        "Of 3 trials none is better than the recipe's own values (trial 0) within "
        "5.00 ms and 200 kB: 61.0 %"
    )
    assert "own values and" not in first and first.endswith("of the teacher.")


def test_missing_trials_are_told() -> None:
    assert sentences(only(small_search(), 0, 4, best=4))[1].endswith(
        "7 were requested."
    )


def test_losses_are_told_as_the_least() -> None:
    record = small_search(objective="val_loss")
    record["trials"][4]["val_loss"] = 0.61234
    assert (
        "number 4 has the least validation loss within 5.00 ms and 200 kB: 0.6123, "
        "with 63.0 % of mIoU at 4.20 ms and 180 kB, against 0.8, with 61.0 % of mIoU"
    ) in sentences(record)[0]


def test_a_front_is_told_from_end_to_end() -> None:
    record = small_search(objective="front", best=None)
    found = search_headline(read_record(record))
    assert found.sentences[0].startswith(
        "Of 7 trials 2 are on the Pareto front within 5.00 ms and 200 kB, from 55.0 % "
        "of mIoU at 2.00 ms and 80.0 kB (number 1) to 63.0 % of mIoU at 4.20 ms and "
        "180 kB (number 4), against 61.0 %"
    )
    assert found.figures == ()


def test_a_front_of_one() -> None:
    record = small_search(objective="front", best=None, front=[4])
    assert sentences(record)[0].startswith(
        "Of 7 trials number 4 alone is on the Pareto front"
    )


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ((), "No trial has ended yet."),
        ((3, 5, 6), "Nothing was found: of 3 trials none came to a result."),
        (
            (2, 3),
            "Nothing was found: of 2 trials none is within the limits of 5.00 ms and "
            "200 kB. The best over them, number 2, has 64.0 % of mIoU at 6.10 ms and "
            "150 kB, against 71.0 % of mIoU at 31.5 ms and 1.9 MB of the teacher.",
        ),
    ],
)
def test_nothing_found_is_told(numbers: tuple[int, ...], told: str) -> None:
    assert sentences(only(small_search(), *numbers))[0] == told


def test_a_single_trial() -> None:
    [first, *_] = sentences(only(small_search(), 0, best=0, teacher=None, limits={}))
    assert first == (
        "There is only trial 0 (the recipe's own values): 61.0 % of mIoU at 4.40 ms "
        "and 190 kB."
    )


def test_without_a_figure_of_the_recipe_gains_are_not_known() -> None:
    record = small_search()
    record["trials"][0] |= {"state": "skipped", "miou": None}
    found = search_headline(read_record(record))
    assert "of the recipe's own values" not in found.sentences[0]
    assert found.sentences[1] == (
        "The recipe's own values (trial 0) were skipped untrained, so gains over them "
        "are not known."
    )
    assert "against 61.0 %" not in str(found.figures)
    untried = sentences(only(small_search(), 1, 4, best=4))
    assert (
        untried[1] == "The recipe's own values were not tried, so gains are not known."
    )


def test_a_teacher_that_is_searched_has_mious_alone() -> None:
    record = only(small_search(), 0, 4, best=4, teacher=None, of="teacher", limits={})
    for trial in record["trials"]:
        trial |= {"latency_ms": None, "size_bytes": None}
    assert sentences(record)[0] == (
        "Of 2 trials number 4 is the best: 63.0 % of mIoU, against 61.0 % of mIoU of "
        "the recipe's own values."
    )
