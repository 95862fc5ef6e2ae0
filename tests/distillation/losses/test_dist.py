"""What is particular to it; the contract is in test_distillation_losses.py."""

import numpy as np
import pytest

from segshrink.distillation.losses import DIST

LOGITS = np.random.default_rng(0).normal(0, 2, (2, 4, 3, 5))


def probabilities(logits):
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def test_a_student_need_not_be_as_sure_as_its_teacher():
    unsure = np.log(0.3 * probabilities(LOGITS) + 0.7 / 5)
    assert float(DIST().compute_loss(LOGITS, unsure)) == pytest.approx(0, abs=1e-5)


def test_opposite_pixels_cost_twice_the_square_of_the_temperature():
    teacher = LOGITS[..., :1]
    loss = DIST(temperature=3.0, inter=0.0)
    assert float(loss.compute_loss(teacher, -teacher)) == pytest.approx(18, rel=1e-4)


def test_by_hand():
    teacher = np.log(np.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]]))[None, None]
    student = teacher[..., ::-1]
    p = np.exp(teacher[0, 0])
    inter = 1 - np.mean([np.corrcoef(row, row[::-1])[0, 1] for row in p])
    intra = 1 - np.mean([np.corrcoef(p[:, c], p[:, 2 - c])[0, 1] for c in range(3)])
    for weights in ((1.0, 0.0), (0.0, 1.0), (0.5, 2.0)):
        found = float(DIST(1.0, *weights).compute_loss(teacher, student))
        assert found == pytest.approx(np.dot(weights, (inter, intra)), rel=1e-4)


@pytest.mark.parametrize("classes", [1, 2])
def test_relations_among_fewer_than_three_classes_are_refused(classes):
    logits = LOGITS[..., :classes]
    for inter in (1.0, 1e-3):
        with pytest.raises(ValueError, match="always 1 or -1"):
            DIST(inter=inter).compute_loss(logits, logits)
    assert float(DIST(inter=0.0).compute_loss(logits, logits)) == pytest.approx(
        0, abs=1e-5
    )


def test_one_channel_is_two_of_which_one_is_0():
    teacher, student = LOGITS[..., :1], LOGITS[..., 1:2]
    pairs = (np.concatenate([np.zeros_like(x), x], -1) for x in (teacher, student))
    loss = DIST(inter=0.0)
    assert float(loss.compute_loss(teacher, student)) == pytest.approx(
        float(loss.compute_loss(*pairs)), rel=1e-5
    )
