"""The public protocol against Keras, scikit-learn and a NumPy loop."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from sklearn import metrics
from sklearn.preprocessing import MinMaxScaler

from data.pictures import THREE_CLASSES, held
from segshrink.data import Part, PatchDataset, open_patches, stretch_channels
from segshrink.data.patches import PatchSplit
from segshrink.errors import ModelError
from segshrink.measuring.random_patch import PatchScores, measure_random_patch
from segshrink.runtimes.outputs import OutputKind

AERIAL = os.environ.get("SEGSHRINK_AERIAL")
COLUMNS = ("tile", "image", "row", "column")
SIDE_PX = 16


def one_hot(labels, num_classes):
    return np.eye(num_classes, dtype=np.float32)[labels]


def loop_jaccard(labels, scores):
    """The definition, number after number."""
    shared = truth = probability = 0.0
    for label, row in zip(labels.ravel(), scores.reshape(-1, scores.shape[-1])):  # noqa: B905
        for index, p in enumerate(row.tolist()):
            y = float(index == label)
            shared += y * p
            truth += y
            probability += p
    return shared / (truth + probability - shared)


def softmax(logits):
    exponentials = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def check_against_references(found, labels, logits):
    """A record against references on the same pixels; void is a class already."""
    num_classes = logits.shape[-1]
    scores = softmax(logits)
    truth = one_hot(labels, num_classes).ravel()
    for name, metric in (
        ("precision_at_half", keras.metrics.Precision(thresholds=0.5)),
        ("recall_at_half", keras.metrics.Recall(thresholds=0.5)),
    ):
        metric.update_state(truth, scores.astype(np.float32).ravel())
        assert getattr(found, name) == pytest.approx(
            float(metric.result()), rel=1e-5
        ), name
    assert found.soft_jaccard == pytest.approx(loop_jaccard(labels, scores), rel=1e-5)
    flat, predicted = labels.ravel(), logits.argmax(-1).ravel()
    assert found.pixel_accuracy == metrics.accuracy_score(flat, predicted)
    occurring = np.union1d(flat, predicted)
    expected = metrics.jaccard_score(flat, predicted, labels=occurring, average=None)
    for index, iou in zip(occurring, expected, strict=True):
        assert found.classes[index].iou == pytest.approx(iou)
    assert found.mean_iou == pytest.approx(expected.mean())
    np.testing.assert_array_equal(
        found.confusion,
        metrics.confusion_matrix(flat, predicted, labels=range(num_classes)),
    )


@st.composite
def batches(draw):
    """Labels with void, and logits that lie clear of the threshold and of ties."""
    num_classes = draw(st.integers(2, 6))
    shape = draw(st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6)))
    seed = draw(st.integers(0, 2**32 - 1))
    spread = draw(st.sampled_from([0.3, 2.0, 20.0]))
    random = np.random.default_rng(seed)
    labels = random.integers(0, num_classes, shape).astype(np.uint8)
    labels[random.random(shape) < 0.2] = 255
    return labels, random.normal(0, spread, (*shape, num_classes)).astype(np.float32)


@given(batches(), st.data())
def test_scores_match_keras_scikit_learn_and_a_loop(batch, data):
    labels, logits = batch
    num_classes = logits.shape[-1]
    void_label = data.draw(st.integers(0, num_classes - 1))
    scores = PatchScores(num_classes, void_label)
    for patch, own in zip(labels, logits, strict=True):
        scores.update(patch, own)
    found = scores.as_record([f"class {index}" for index in range(num_classes)])
    assert found.void_pixels == (labels == 255).sum()
    assert found.pixels == labels.size
    filled = np.where(labels == 255, void_label, labels)
    check_against_references(found, filled, logits)


@pytest.mark.parametrize(
    ("rows", "precision", "recall"),
    [
        # Exactly one half is not above it, as in Keras.
        ([[0.5, 0.5], [0.5, 0.5]], 0.0, 0.0),
        ([[0.5, 0.5], [0.25, 0.75]], 1.0, 0.5),
        ([[0.25, 0.75], [0.25, 0.75]], 0.5, 0.5),
    ],
)
def test_the_threshold_itself_is_not_above_it(rows, precision, recall):
    scores = PatchScores(2, 0)
    labels = np.array([0, 1], np.uint8)
    scores.update(labels, np.log(np.array(rows, np.float32)))
    assert (scores.precision, scores.recall) == (precision, recall)
    check = keras.metrics.Precision(thresholds=0.5)
    check.update_state(one_hot(labels, 2).ravel(), np.array(rows).ravel())
    assert float(check.result()) == precision


def test_without_pixels_nothing_is_divided_by_zero():
    scores = PatchScores(2, 0)
    found = scores.as_record(["a", "b"])
    assert found.soft_jaccard is found.mean_iou is None
    assert found.precision_at_half == found.recall_at_half == 0


def test_void_must_count_as_a_class():
    with pytest.raises(ValueError, match="void_label must be 0 to 1, got 2"):
        PatchScores(2, 2)


@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 8), st.integers(1, 8), st.just(3)))
)
def test_stretching_is_that_of_scikit_learn(patch):
    stretched = stretch_channels(patch)
    assert stretched.dtype == np.float32
    expected = MinMaxScaler().fit_transform(patch.reshape(-1, 3).astype(np.float64))
    np.testing.assert_allclose(
        stretched / 255, expected.reshape(patch.shape), rtol=1e-6, atol=1e-7
    )


def test_stretched_values_are_not_rounded():
    patch = np.array([10, 11, 13], np.uint8).reshape(1, 3, 1).repeat(3, axis=2)
    np.testing.assert_allclose(stretch_channels(patch)[0, :, 0], [0, 85, 255])
    patch = np.array([0, 1, 7], np.uint8).reshape(1, 3, 1).repeat(3, axis=2)
    assert stretch_channels(patch)[0, 1, 0] == pytest.approx(255 / 7)


def logits_of(images):
    """Closeness of red to the level of each class; exact for whole numbers."""
    red = images[..., 0].astype(np.float32)
    return np.stack([-((red - level) ** 2) / 900 for level in (0, 100, 255)], axis=-1)


def artifact(num_classes=3, side_px=SIDE_PX):
    return SimpleNamespace(
        path=Path("fake.tflite"), input_shape=(side_px, side_px),
        num_bands=3, num_classes=num_classes, metadata=None, predict=logits_of,
        signature=SimpleNamespace(output=OutputKind.LOGITS),
    )  # fmt: skip


def patches_of(void_as=None):
    """Two images of 2 x 3 patches, a fifth of their pixels void."""
    images = []
    for number in range(2):
        random = np.random.default_rng(number)
        labels = random.integers(0, 3, (40, 50), np.uint8)
        image = random.integers(0, 60, (40, 50, 3), np.uint8)
        image[..., 0] += labels * 60
        labels[random.random(labels.shape) < 0.2] = 255
        images.append(held(image, labels, name=f"t/{number}"))
    split = PatchSplit(
        patch_size_px=SIDE_PX, columns=COLUMNS, void_as=void_as,
        train=[("t", "0", 0, 0), ("t", "1", 1, 2)],
        val=[("t", "1", 1, 1), ("t", "0", 1, 1), ("t", "1", 0, 0)],
    )  # fmt: skip
    return PatchDataset("drawn", Part("all", images, THREE_CLASSES), split, "here")


@pytest.mark.parametrize(("void_as", "label"), [(None, 0), ("green", 1)])
def test_scores_are_those_of_the_stretched_patches(void_as, label):
    patches = patches_of(void_as)
    found = measure_random_patch(artifact(), patches)
    json.dumps(found.as_plain(), allow_nan=False)
    assert (found.protocol, found.leaks) == ("random-patch", True)
    assert (found.patches, found.patch_px) == (3, SIDE_PX)
    assert found.neighbours_in_training == 1
    assert found.void_as == THREE_CLASSES.names[label]
    labels, logits = [], []
    for name, row, column in (("t/1", 1, 1), ("t/0", 1, 1), ("t/1", 0, 0)):
        [image] = [image for image in patches.images if image.name == name]
        pixels, truth = image.read()
        here = np.s_[
            row * SIDE_PX : (row + 1) * SIDE_PX,
            column * SIDE_PX : (column + 1) * SIDE_PX,
        ]
        patch = pixels[here].astype(np.float64)
        low, high = patch.min(axis=(0, 1)), patch.max(axis=(0, 1))
        labels.append(truth[here])
        logits.append(logits_of(255 * (patch - low) / (high - low)))
    labels, logits = np.stack(labels), np.stack(logits)
    assert found.void_pixels == (labels == 255).sum() > 0
    check_against_references(found, np.where(labels == 255, label, labels), logits)


def test_a_file_of_another_size_is_measured_too():
    found = measure_random_patch(artifact(side_px=24), patches_of())
    expected = measure_random_patch(artifact(), patches_of())
    assert found.pixels == expected.pixels == 3 * SIDE_PX**2
    assert found.mean_iou == pytest.approx(expected.mean_iou)


def test_other_number_of_classes_is_refused():
    with pytest.raises(ModelError, match="gives 4 classes, but the data set has 3"):
        measure_random_patch(artifact(num_classes=4), patches_of())


@pytest.mark.skipif(not AERIAL, reason="needs the aerial set: set SEGSHRINK_AERIAL")
def test_the_published_split_of_the_aerial_set():
    folder = Path(AERIAL) / "Semantic segmentation dataset"
    file = Path(AERIAL) / "splits" / "random_patch.json"
    patches = open_patches(folder, file)
    assert patches.split_record().as_plain() == {
        "source": "file random_patch.json", "patch_px": 256,
        "train_patches": 1044, "val_patches": 261,
    }  # fmt: skip
    scores = PatchScores(6, patches.void_label)
    for image, labels in patches.iter_val():
        assert image.shape == (256, 256, 3)
        # The logits of a perfect model.
        filled = np.where(labels == 255, patches.void_label, labels)
        scores.update(labels, 40 * one_hot(filled, 6))
    found = scores.as_record(patches.images.classes.names)
    assert found.pixel_accuracy == found.mean_iou == 1
    counts = colors_of_patches(folder, json.loads(file.read_text())["val"])
    colors = dict(
        zip(patches.images.classes.names, patches.images.classes.colors, strict=True)
    )
    assert found.void_pixels == counts[0, 0, 0] > 0
    for row in found.classes:
        black = counts[0, 0, 0] if row.name == "Building" else 0
        assert row.pixels == counts[colors[row.name]] + black
    assert sum(row.pixels for row in found.classes) == 261 * 256**2


def colors_of_patches(folder, entries):
    """Pixels of each colour in the masks, read without any of our code."""
    counts = {}
    for tile, name, row, column in entries:
        with Image.open(folder / tile / "masks" / f"{name}.png") as mask:
            box = (column * 256, row * 256, column * 256 + 256, row * 256 + 256)
            for pixels, color in mask.convert("RGB").crop(box).getcolors(1 << 16):
                counts[color] = counts.get(color, 0) + pixels
    return counts
