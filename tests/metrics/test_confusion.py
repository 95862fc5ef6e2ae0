import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sklearn

from segshrink.metrics import ConfusionMatrix


@st.composite
def labels_and_predictions(draw):
    num_classes = draw(st.integers(1, 6))
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=8))
    classes = st.integers(0, num_classes - 1)
    labels = draw(hnp.arrays(np.uint8, shape, elements=classes | st.just(255)))
    predictions = draw(hnp.arrays(np.uint8, shape, elements=classes))
    return num_classes, labels, predictions


@given(labels_and_predictions())
def test_agrees_with_scikit_learn(case):
    num_classes, labels, predictions = case
    confusion = ConfusionMatrix(num_classes)
    confusion.update(labels, predictions)
    valid = labels != 255
    assert confusion.void_pixels == np.sum(~valid)
    if not valid.any():
        return
    true, predicted = labels[valid], predictions[valid]
    classes = range(num_classes)
    options = {"labels": classes, "average": None, "zero_division": np.nan}
    assert confusion.pixel_accuracy == pytest.approx(
        sklearn.accuracy_score(true, predicted)
    )
    occurs = np.isin(classes, true) | np.isin(classes, predicted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counts = sklearn.confusion_matrix(true, predicted, labels=classes)
        expected = {
            "precision": sklearn.precision_score(true, predicted, **options),
            "recall": sklearn.recall_score(true, predicted, **options),
            "dice": sklearn.f1_score(true, predicted, **options),
            # jaccard_score has no nan: absent classes are set apart by hand.
            "iou": np.where(
                occurs,
                sklearn.jaccard_score(
                    true, predicted, labels=classes, average=None, zero_division=0
                ),
                np.nan,
            ),
        }
    np.testing.assert_array_equal(confusion.counts, counts)
    for name, values in expected.items():
        np.testing.assert_allclose(
            getattr(confusion, name), values, rtol=1e-12, err_msg=name
        )
    assert confusion.mean_iou() == pytest.approx(np.nanmean(expected["iou"]))


def test_measures_by_hand():
    # Class 2 is predicted under void only, which is nowhere.
    confusion = ConfusionMatrix(3)
    confusion.update(np.array([0, 0, 0, 1, 255]), np.array([0, 0, 1, 1, 2]))
    np.testing.assert_array_equal(confusion.counts, [[2, 1, 0], [0, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(confusion.precision, [1, 1 / 2, np.nan])
    np.testing.assert_array_equal(confusion.recall, [2 / 3, 1, np.nan])
    np.testing.assert_array_equal(confusion.iou, [2 / 3, 1 / 2, np.nan])
    np.testing.assert_array_equal(confusion.dice, [4 / 5, 2 / 3, np.nan])
    assert confusion.pixel_accuracy == 3 / 4
    assert confusion.mean_iou() == pytest.approx(7 / 12)
    assert confusion.mean_iou(without=0) == 1 / 2
    assert confusion.mean_iou(without=2) == pytest.approx(7 / 12)


def test_record_is_the_measures_with_none_where_undefined():
    confusion = ConfusionMatrix(3)
    confusion.update(np.array([0, 0, 0, 1, 255]), np.array([0, 0, 1, 1, 2]))
    record = confusion.as_record(["Road", "Water", "Snow"])
    assert record == {
        "pixels": 4,
        "void_pixels": 1,
        "pixel_accuracy": 0.75,
        "precision": 0.75,
        "recall": pytest.approx(5 / 6),
        "mean_iou": pytest.approx(7 / 12),
        "mean_dice": pytest.approx(11 / 15),
        "classes": [
            {
                "name": "Road",
                "pixels": 3,
                "precision": 1.0,
                "recall": pytest.approx(2 / 3),
                "iou": pytest.approx(2 / 3),
                "dice": pytest.approx(4 / 5),
            },
            {
                "name": "Water",
                "pixels": 1,
                "precision": 0.5,
                "recall": 1.0,
                "iou": 0.5,
                "dice": pytest.approx(2 / 3),
            },
            {
                "name": "Snow",
                "pixels": 0,
                "precision": None,
                "recall": None,
                "iou": None,
                "dice": None,
            },
        ],
    }


def test_predictions_must_be_classes():
    with pytest.raises(ValueError, match="predictions must be 0 to 1, got .* to 2"):
        ConfusionMatrix(2).update(np.array([0, 1]), np.array([0, 2]))
    with pytest.raises(ValueError, match="predictions must be 0 to 1, got values"):
        ConfusionMatrix(2).update(np.array([0, 1]), np.array([0, 255]))
    with pytest.raises(ValueError, match="predictions must be integers, got float64"):
        ConfusionMatrix(2).update(np.array([0, 1]), np.array([0.1, 0.9]))


def test_a_matrix_is_restored_from_its_counts():
    confusion = ConfusionMatrix.from_counts([[3, 1], [0, 4]])
    assert confusion.iou.tolist() == [3 / 4, 4 / 5]
    assert confusion.mean_iou(without=0) == 4 / 5
    with pytest.raises(ValueError, match=r"must be \(classes, classes\), got \(1, 2\)"):
        ConfusionMatrix.from_counts([[1, 2]])


def test_a_class_to_leave_out_must_exist():
    with pytest.raises(ValueError, match="without must be 0 to 1, got 2"):
        ConfusionMatrix(2).mean_iou(without=2)
