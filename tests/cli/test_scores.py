"""Scores as text, and the mean IoU over all classes but one."""

import pytest

from segshrink.cli.scores import print_mean_iou_without, require_class, shown
from segshrink.errors import UsageError


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(0.12345, 3, "0.123"), (0.5, 4, "0.5000"), (None, 3, "-"), (float("nan"), 3, "-")],
)
def test_undefined_scores_are_a_dash(value, digits, text):
    assert shown(value, digits) == text


def test_the_mean_leaves_one_class_out(capsys):
    counts = [[3, 1, 0], [0, 4, 0], [0, 0, 0]]
    for name, mean in (("road", "0.800"), ("water", "0.750"), ("grass", "0.775")):
        print_mean_iou_without(name, counts, ["road", "water", "grass"])
        assert capsys.readouterr().out == f"mean IoU without {name}: {mean}\n"


def test_a_class_to_leave_out_must_exist():
    require_class(None, ["road"])
    require_class("road", ["road"])
    with pytest.raises(UsageError, match="--without boat: no such class. There are ro"):
        require_class("boat", ["road"])
