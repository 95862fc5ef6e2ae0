"""Scores of whole images against scikit-learn's on the same pixels."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn import metrics

from segshrink.data import AnnotatedImage, Classes, Part
from segshrink.errors import ModelError, SegshrinkWarning, UsageError
from segshrink.measuring import measure_quality
from segshrink.measuring.quality import class_order, softmax
from segshrink.runtimes.outputs import OutputKind

CLASSES = Classes(
    names=("Road", "Roof", "Tree", "Boat"),
    colors=((1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4)),
)


@dataclass(frozen=True, kw_only=True)
class Drawn(AnnotatedImage):
    """An image whose red channel shows most of its labels."""

    seed: int

    def read(self):
        random = np.random.default_rng(self.seed)
        # Boat never occurs.
        labels = random.integers(0, 3, (self.height_px, self.width_px), np.uint8)
        image = random.integers(0, 40, (*labels.shape, 3), np.uint8)
        image[..., 0] += labels * 30
        labels[random.random(labels.shape) < 0.1] = 255
        return image, labels


PART = Part(
    "test",
    [
        Drawn(scene="a", name="a/1", height_px=40, width_px=30, seed=1),
        Drawn(scene="a", name="a/2", height_px=9, width_px=50, seed=2),
    ],
    CLASSES,
)


def logits_of(images):
    """Closeness of red to the level that each class is drawn with."""
    red = images[..., 0].astype(np.float32)
    return np.stack(
        [-((red - center) ** 2) / 400 for center in (20, 50, 80, 130)], axis=-1
    )


ARTIFACT = SimpleNamespace(
    path=Path("fake.tflite"),
    metadata=None,
    signature=SimpleNamespace(output=OutputKind.LOGITS),
    input_shape=(16, 16),
    num_bands=3,
    num_classes=4,
    predict=logits_of,
)


@pytest.fixture(scope="module")
def quality():
    return measure_quality(ARTIFACT, PART, CLASSES)


@pytest.fixture(scope="module")
def pixels():
    """Labels and scores of all valid pixels, without tiles."""
    labels, scores = [], []
    for image in PART:
        pixels, truth = image.read()
        valid = truth != 255
        labels.append(truth[valid])
        scores.append(softmax(logits_of(pixels))[valid])
    return np.concatenate(labels), np.concatenate(scores)


def test_counts(quality, pixels):
    labels, _ = pixels
    assert quality.part == "test"
    assert quality.images == 2
    assert quality.pixels == len(labels)
    assert quality.void_pixels == 40 * 30 + 9 * 50 - len(labels) > 0
    counts = [of_class.pixels for of_class in quality.classes]
    assert counts == np.bincount(labels, minlength=4).tolist()


@pytest.mark.parametrize(
    ("measure", "reference"),
    [
        ("precision", metrics.precision_score),
        ("recall", metrics.recall_score),
        ("iou", metrics.jaccard_score),
        ("dice", metrics.f1_score),
    ],
)
def test_classes_match_scikit_learn(quality, pixels, measure, reference):
    labels, scores = pixels
    expected = reference(
        labels, scores.argmax(-1), labels=range(4), average=None, zero_division=0
    )
    found = [getattr(of_class, measure) for of_class in quality.classes]
    np.testing.assert_allclose(np.array(found[:3], float), expected[:3], rtol=1e-6)


def test_accuracy_and_average_precision_match_scikit_learn(quality, pixels):
    labels, scores = pixels
    accuracy = metrics.accuracy_score(labels, scores.argmax(-1))
    assert quality.pixel_accuracy == pytest.approx(accuracy)
    expected = [
        metrics.average_precision_score(labels == c, scores[:, c]) for c in range(3)
    ]
    found = [of_class.average_precision for of_class in quality.classes[:3]]
    # Blending the tiles rounds logits that are equal pixel by pixel apart.
    np.testing.assert_allclose(found, expected, atol=0.01)
    assert quality.mean_average_precision == pytest.approx(np.mean(found))


def test_class_that_never_occurs_is_undefined_not_wrong(quality):
    boat = quality.classes[3]
    assert boat.name == "Boat"
    assert boat.recall is boat.average_precision is None
    assert "Boat" not in quality.curves


def test_record_is_json_without_nan_and_curves_are_short(quality):
    json.dumps(quality.as_plain(), allow_nan=False)
    for curve in quality.curves.values():
        assert len(curve.precision) == len(curve.recall) <= 101


def test_images_are_handed_out_as_they_are_measured():
    seen = []
    measure_quality(
        ARTIFACT,
        PART,
        CLASSES,
        on_image=lambda *measured: seen.append(measured),
    )
    assert [(index, image.name) for index, image, _, _ in seen] == [
        (0, "a/1"),
        (1, "a/2"),
    ]
    for _, image, labels, predictions in seen:
        np.testing.assert_array_equal(labels, image.read()[1])
        assert predictions.dtype == np.uint8
        expected = logits_of(image.read()[0]).argmax(-1)
        assert (predictions == expected).mean() > 0.999


def test_other_number_of_classes_is_refused():
    three = SimpleNamespace(**{**vars(ARTIFACT), "num_classes": 3})
    with pytest.raises(
        ModelError, match=r"gives 3 classes, but the data set has 4 \(R"
    ):
        measure_quality(three, PART, CLASSES)


def test_empty_part_is_refused():
    with pytest.raises(UsageError, match="the part 'val' has no images"):
        measure_quality(ARTIFACT, Part("val", [], CLASSES), CLASSES)


def test_softmax_of_large_logits_is_finite():
    scores = softmax(np.array([[1000.0, 1000.0, -1000.0]], np.float32))
    np.testing.assert_allclose(scores, [[0.5, 0.5, 0]])


def test_each_image_keeps_its_counts(quality):
    assert sorted(each.index for each in quality.by_image) == [0, 1]
    total = np.zeros((4, 3), int)
    for each in quality.by_image:
        shown, labels = PART[each.index].read()
        valid = labels != 255
        truth, predicted = labels[valid], logits_of(shown).argmax(-1)[valid]
        assert each.mean_iou == pytest.approx(
            metrics.jaccard_score(truth, predicted, average="macro")
        )
        for label, *counts in each.counts:
            of_class = truth == label, predicted == label
            assert counts == [
                *(x.sum() for x in of_class),
                (of_class[0] & of_class[1]).sum(),
            ]
            total[label] += counts
    matrix = np.array(quality.confusion)
    np.testing.assert_array_equal(total[:, 0], matrix.sum(axis=1))
    np.testing.assert_array_equal(total[:, 1], matrix.sum(axis=0))
    np.testing.assert_array_equal(total[:, 2], matrix.diagonal())


def named(*names):
    classes = [SimpleNamespace(name=name) for name in names]
    metadata = SimpleNamespace(classes=classes, input=None)
    return SimpleNamespace(**{**vars(ARTIFACT), "metadata": metadata})


def test_classes_are_matched_by_the_names_in_the_file(quality):
    order = [2, 0, 3, 1]
    artifact = named(*(CLASSES.names[index] for index in order))
    artifact.predict = lambda images: logits_of(images)[..., order]
    assert class_order(artifact, CLASSES) == (1, 3, 0, 2)
    found = measure_quality(artifact, PART, CLASSES)
    assert found.confusion == quality.confusion


def test_other_names_are_warned_of_and_keep_the_order(quality):
    artifact = named("Road", "Roof", "Tree", "Ship")
    with pytest.warns(SegshrinkWarning, match="Ship, those of the data set Road, Ro"):
        found = measure_quality(artifact, PART, CLASSES)
    assert found.confusion == quality.confusion
    assert class_order(named(*CLASSES.names), CLASSES) is None
