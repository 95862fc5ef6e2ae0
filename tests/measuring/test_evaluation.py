"""Detailed scores against scikit-learn's on the same pixels."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from segshrink.data import AnnotatedImage, Classes, Part
from segshrink.measuring import measure_quality
from segshrink.measuring.evaluation import evaluate_artifact, write_worst
from segshrink.measuring.quality import softmax
from segshrink.metrics import BoundaryIoU
from segshrink.runtimes.outputs import OutputKind

CLASSES = Classes(
    names=("Road", "Roof", "Tree"), colors=((10, 0, 0), (0, 20, 0), (0, 0, 30))
)


@dataclass(frozen=True, kw_only=True)
class Drawn(AnnotatedImage):
    """An image whose red channel shows its labels, except in a share of its pixels."""

    seed: int
    wrong: float

    def read(self):
        random = np.random.default_rng(self.seed)
        shape = self.height_px, self.width_px
        labels = random.integers(0, 3, shape, np.uint8)
        shown = np.where(random.random(shape) < self.wrong, (labels + 1) % 3, labels)
        image = np.repeat(80 * shown[..., None], 3, axis=-1).astype(np.uint8)
        labels[random.random(shape) < 0.1] = 255
        return image, labels


def drawn(scene, number, wrong, size=(20, 24)):
    return Drawn(
        scene=scene, name=f"{scene}/no. {number}", seed=number, wrong=wrong,
        height_px=size[0], width_px=size[1],
    )  # fmt: skip


PART = Part(
    "test",
    [drawn("north", 1, 0.1), drawn("south", 2, 0.6), drawn("north", 3, 0.3, (9, 31))],
    CLASSES,
)


def logits_of(images):
    red = images[..., 0].astype(np.float32)
    return np.stack([-((red - level) ** 2) for level in (0, 80, 160)], axis=-1)


ARTIFACT = SimpleNamespace(
    path=Path("fake.tflite"),
    metadata=None,
    signature=SimpleNamespace(output=OutputKind.LOGITS),
    input_shape=(16, 16),
    num_bands=3,
    num_classes=3,
    predict=logits_of,
)


@pytest.fixture(scope="module")
def quality():
    return evaluate_artifact(ARTIFACT, PART, CLASSES)


def pixels(images):
    """Labels and predictions of all valid pixels, without tiles."""
    labels, predictions = [], []
    for image in images:
        shown, truth = image.read()
        labels.append(truth[truth != 255])
        predictions.append(logits_of(shown).argmax(-1)[truth != 255])
    return np.concatenate(labels), np.concatenate(predictions)


def test_it_begins_with_the_plain_measures(quality):
    plain = json.loads(json.dumps(quality.as_plain(), allow_nan=False))
    measures = measure_quality(ARTIFACT, PART, CLASSES).as_plain()
    assert plain.items() >= measures.items()
    details = {"boundary_iou", "scenes", "calibration"}
    assert set(plain) == set(measures) | details


def test_confusion(quality):
    expected = metrics.confusion_matrix(*pixels(PART))
    np.testing.assert_array_equal(quality.confusion, expected)


def test_calibration_error_is_that_of_all_pixels(quality):
    confidences, right = [], []
    for image in PART:
        shown, truth = image.read()
        scores = softmax(logits_of(shown))[truth != 255]
        confidences.append(scores.max(-1))
        right.append(scores.argmax(-1) == truth[truth != 255])
    confidences, right = np.concatenate(confidences), np.concatenate(right)
    error, pixels = 0.0, 0
    for index in range(15):
        inside = (confidences > index / 15) & (confidences <= (index + 1) / 15)
        if inside.any():
            difference = confidences[inside].mean() - right[inside].mean()
            error += inside.mean() * abs(difference)
            pixels += inside.sum()
    assert sum(each.pixels for each in quality.calibration.bins) == pixels
    assert quality.calibration.expected_error == pytest.approx(error, abs=1e-5)


def test_scores_by_scene(quality):
    assert [(x.name, x.images) for x in quality.scenes] == [
        ("north", 2), ("south", 1),
    ]  # fmt: skip
    for entry in quality.scenes:
        labels, predictions = pixels(x for x in PART if x.scene == entry.name)
        assert entry.mean_iou == pytest.approx(
            metrics.jaccard_score(labels, predictions, average="macro")
        )
        assert entry.pixel_accuracy == pytest.approx(
            metrics.accuracy_score(labels, predictions)
        )


def test_images_come_worst_first(quality):
    assert [x.image for x in quality.by_image] == [
        "south/no. 2", "north/no. 3", "north/no. 1",
    ]  # fmt: skip
    for entry in quality.by_image:
        labels, predictions = pixels([PART[entry.index]])
        assert entry.mean_iou == pytest.approx(
            metrics.jaccard_score(labels, predictions, average="macro")
        )


def test_boundaries(quality):
    boundaries = BoundaryIoU(3)
    for image in PART:
        shown, labels = image.read()
        boundaries.update(labels, logits_of(shown).argmax(-1))
    assert quality.boundary_iou.mean == pytest.approx(boundaries.mean_iou())
    assert quality.boundary_iou.classes == pytest.approx(tuple(boundaries.iou.tolist()))


def test_an_image_of_void_comes_last_and_has_no_scores():
    @dataclass(frozen=True, kw_only=True)
    class Void(Drawn):
        def read(self):
            image, labels = super().read()
            return image, np.full_like(labels, 255)

    void = Void(scene="void", name="v", seed=0, wrong=0, height_px=8, width_px=8)
    part = Part("test", [void, drawn("north", 1, 0.1)], CLASSES)
    quality = evaluate_artifact(ARTIFACT, part, CLASSES)
    assert quality.by_image[-1].image == "v"
    assert quality.by_image[-1].mean_iou is None
    assert quality.scenes[0].mean_iou is None


def test_pictures_of_the_worst(quality, tmp_path):
    files = write_worst(ARTIFACT, PART, CLASSES, quality, tmp_path / "new", count=2)
    assert [file.name for file in files] == [
        "01-south_no__2.png", "02-north_no__3.png",
    ]  # fmt: skip
    image, labels = PART[1].read()
    predictions = logits_of(image).argmax(-1)
    shown = np.asarray(Image.open(files[0]))
    panels = [shown[:, i * 32 : i * 32 + 24] for i in range(4)]
    np.testing.assert_array_equal(panels[0], image)
    np.testing.assert_array_equal(panels[1], CLASSES.colorize(labels))
    void = labels == 255
    np.testing.assert_array_equal(
        panels[2], CLASSES.colorize(np.where(void, 255, predictions))
    )
    red = (panels[3] == (213, 94, 0)).all(axis=-1)
    np.testing.assert_array_equal(red, (predictions != labels) & ~void)
