import pytest

from segshrink.reporting.search.plots.importance import importance_plot

from ..search_folder import (
    IMPORTANCE,
    read_record,
    small_search,
)
from .drawn_plot import drawn


def test_importance_is_sorted_by_share() -> None:
    _, axes = drawn(importance_plot(read_record(small_search())))
    [bars] = axes.containers
    assert [bar.get_width() for bar in bars] == pytest.approx(
        [100 * share for share in IMPORTANCE.values()]
    )
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[0] == "learning_rate" and names[-1] == "batch_size"
    shown = [text.get_text() for text in axes.texts]
    assert shown == ["52", "21", "14", "8", "5", "< 1"]


def test_of_many_fields_the_weightiest_are_shown() -> None:
    importance = {f"student.field_{number}": number / 300 for number in range(24)}
    plot = importance_plot(read_record(small_search(importance=importance)))
    _, axes = drawn(plot)
    assert plot is not None and "9 lesser ones are left out" in plot.note
    assert "Fields that only some trials use are not judged" in plot.note
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [f"field_{number}" for number in range(23, 8, -1)]


@pytest.mark.parametrize("importance", [{}, {"student.kind": 0.0}])
def test_unknown_importance_is_no_plot(importance: dict[str, float]) -> None:
    assert importance_plot(read_record(small_search(importance=importance))) is None
