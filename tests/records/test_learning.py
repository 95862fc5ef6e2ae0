"""The first epoch that reached an mIoU."""

import pytest

from segshrink.records.learning import first_epoch_with

VALIDATED = [(2, 0.3), (4, 0.56), (6, 0.5), (8, 0.6)]


@pytest.mark.parametrize(
    ("miou", "epoch"),
    [(0.0, 2), (0.3, 2), (0.54, 4), (0.57, 8), (0.6, 8), (0.61, None)],
)
def test_it_is_the_first_that_was_validated(miou, epoch):
    assert first_epoch_with(miou, VALIDATED) == epoch
    assert first_epoch_with(miou, iter(VALIDATED)) == epoch


def test_without_validation_there_is_none():
    assert first_epoch_with(0.0, []) is None
