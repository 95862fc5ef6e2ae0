"""How soon a training run reached an mIoU, from the epochs that were validated."""

from collections.abc import Iterable

MOST = 0.9
"""Share of the best validation mIoU that counts as most of what was learned."""


def first_epoch_with(miou: float, validated: Iterable[tuple[int, float]]) -> int | None:
    """The first validated epoch with at least this mIoU; None if there is none.

    Args:
        miou: in [0, 1].
        validated: 1-based epochs, ascending, each with its mIoU on the validation part.
    """
    return next((epoch for epoch, reached in validated if reached >= miou), None)
