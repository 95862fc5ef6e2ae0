import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.metrics import BoundaryIoU

VOID = 255


def border_by_loops(mask, width):
    """Pixels of a mask with something else within a square of `width` around them."""
    border = np.zeros(mask.shape, bool)
    for row, column in zip(*np.nonzero(mask), strict=True):
        for i in range(row - width, row + width + 1):
            for j in range(column - width, column + width + 1):
                inside = 0 <= i < mask.shape[0] and 0 <= j < mask.shape[1]
                border[row, column] |= not (inside and mask[i, j])
    return border


def by_loops(pairs, classes, share):
    above, below = [0] * classes, [0] * classes
    for labels, predictions in pairs:
        width = max(1, round(share * math.hypot(*labels.shape)))
        for c in range(classes):
            true = border_by_loops(labels == c, width)
            found = border_by_loops((predictions == c) & (labels != VOID), width)
            above[c] += (true & found).sum()
            below[c] += (true | found).sum()
    return [a / b if b else math.nan for a, b in zip(above, below, strict=True)]


@st.composite
def images(draw):
    pairs = []
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    for _ in range(draw(st.integers(1, 3))):
        shape = draw(st.integers(1, 14)), draw(st.integers(1, 14))
        # Blocks, so that there are insides as well as borders.
        block = draw(st.integers(1, 6))
        grid = generator.integers(0, 3, (2, *(-(-side // block) for side in shape)))
        labels, predictions = (
            grid.repeat(block, 1)
            .repeat(block, 2)[:, : shape[0], : shape[1]]
            .astype(np.uint8)
        )
        labels[generator.random(shape) < draw(st.sampled_from([0, 0.05]))] = VOID
        pairs.append((labels, predictions))
    return pairs


@given(images(), st.sampled_from([0.02, 0.1, 0.3]))
def test_equals_plain_loops(pairs, share):
    metric = BoundaryIoU(3, share)
    for labels, predictions in pairs:
        metric.update(labels, predictions)
    np.testing.assert_allclose(metric.iou, by_loops(pairs, 3, share))


def test_by_hand():
    labels = np.zeros((6, 6), np.uint8)
    labels[1:5, 1:5] = 1
    shifted = np.roll(labels, 1, axis=1)
    metric = BoundaryIoU(2)
    metric.update(labels, shifted)
    # The rings of 12 pixels share 6: three above, three below.
    assert metric.iou[1] == pytest.approx(6 / 18)
    perfect = BoundaryIoU(2)
    perfect.update(labels, labels)
    assert perfect.iou.tolist() == [1, 1] and perfect.mean_iou() == 1


def test_the_inside_of_large_objects_does_not_count():
    labels = np.zeros((100, 100), np.uint8)
    labels[:, 50:] = 1
    holed = labels.copy()
    holed[40:60, 70:80] = 0
    whole, plain = BoundaryIoU(2), BoundaryIoU(2)
    plain.update(labels, labels)
    whole.update(labels, holed)
    assert plain.mean_iou() == 1
    assert whole.iou[1] < 0.85  # 2 % of the pixels, but a fifth of the border


def test_predictions_under_void_do_not_matter():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, (9, 9)).astype(np.uint8)
    labels[2:5, 3:] = VOID
    predictions = generator.integers(0, 2, (9, 9)).astype(np.uint8)
    changed = np.where(labels == VOID, 1 - predictions, predictions)
    one, other = BoundaryIoU(2), BoundaryIoU(2)
    one.update(labels, predictions)
    other.update(labels, changed)
    assert one.iou.tolist() == other.iou.tolist()


def test_nothing_is_nan():
    metric = BoundaryIoU(2)
    assert math.isnan(metric.mean_iou())
    metric.update(np.full((4, 4), VOID, np.uint8), np.zeros((4, 4), np.uint8))
    assert np.isnan(metric.iou).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0,), "num_classes must be at least 1"), ((2, 0.0), "share must be above 0"),
     ((2, 1.5), "share must be above 0 and at most 1, got 1.5")],
)  # fmt: skip
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        BoundaryIoU(*arguments)


def test_only_one_image_at_a_time():
    with pytest.raises(ValueError, match=r"of one image, got \(2, 4, 4\)"):
        BoundaryIoU(2).update(*np.zeros((2, 2, 4, 4), np.uint8))
    with pytest.raises(ValueError, match=r"got \(4, 4\) and \(4, 5\)"):
        BoundaryIoU(2).update(np.zeros((4, 4)), np.zeros((4, 5)))
