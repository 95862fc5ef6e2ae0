import keras
import numpy as np
import pytest

from segshrink.data import IGNORE_INDEX, AnnotatedImage, Part
from segshrink.errors import DatasetError
from segshrink.objectives import CrossEntropy, Dice, Focal, WeightedSum
from segshrink.training.validation import Validator, _predicted

TILE_PX = 32
CLASS_WEIGHTS = (0.5, 2.0, 1.0)


def brightest_channel(size_px, scale=1.0):
    """A model whose logits are the colours: red is class 0, and so on."""
    images = keras.Input((size_px, size_px, 3))
    return keras.Model(images, keras.layers.Rescaling(scale)(images))


def validator(part, *, model=None, tile_px=TILE_PX, batch_size=4, loss=None):
    return Validator(
        model or brightest_channel(tile_px, 1 / 64),
        part,
        num_classes=3,
        tile_px=tile_px,
        batch_size=batch_size,
        loss=loss,
    )


@pytest.fixture(scope="module")
def part(draw_dataset):
    # 40 px in tiles of 32: the edges are filled up. 12 tiles of three images.
    return draw_dataset(side_px=40).train


@pytest.mark.parametrize("batch_size", [1, 5, 16])
def test_counts_every_labelled_pixel_once(part, batch_size):
    # Of 5 and of 16, the last batch is filled up as well.
    found = validator(part, batch_size=batch_size)()
    expected = np.zeros((3, 3), int)
    for image, labels in (annotated.read() for annotated in part):
        known = labels != IGNORE_INDEX
        np.add.at(expected, (labels[known], image.argmax(-1)[known]), 1)
    np.testing.assert_array_equal(found.confusion.counts, expected)
    assert found.loss is None


@pytest.mark.parametrize("classes", [1, 3, 25])
def test_of_equal_logits_the_first_class_is_predicted(classes):
    logits = np.random.default_rng(0).integers(0, 4, (2, 9, 9, classes))
    found = _predicted(keras.ops.convert_to_tensor(logits.astype(np.float32)))
    np.testing.assert_array_equal(found, logits.argmax(axis=-1))


def test_what_comes_back_from_the_device_does_not_grow_with_the_tiles(part):
    judge = validator(part, loss=CrossEntropy())._judge
    batch = {
        "images": np.zeros((4, TILE_PX, TILE_PX, 3), np.uint8),
        "labels": np.zeros((4, TILE_PX, TILE_PX), np.uint8),
    }
    shapes = {name: x.shape for name, x in judge.predict_on_batch(batch).items()}
    assert shapes == {"counts": (4, 3, 3), "losses": (4, 1)}


def probabilities(image):
    powers = np.exp(image.astype(float) / 64)
    return powers / powers.sum(axis=-1, keepdims=True)


def over_all_pixels(part, weights, gamma):
    """Focal loss of all pixels at once; with gamma 0, cross-entropy."""
    total = divisor = 0.0
    for image, labels in (annotated.read() for annotated in part):
        shares = probabilities(image)
        for place in zip(*np.nonzero(labels != IGNORE_INDEX), strict=True):
            share, weight = shares[place][labels[place]], weights[labels[place]]
            total -= weight * (1 - share) ** gamma * np.log(share)
            divisor += weight
    return total / divisor


def dice_of_tiles(part, weights):
    """Mean of the tiles' Dice losses, each weighted by its pixels."""
    total = divisor = 0.0
    for image, labels in (annotated.read() for annotated in part):
        for top in range(0, len(labels), TILE_PX):
            for left in range(0, len(labels), TILE_PX):
                here = np.s_[top : top + TILE_PX, left : left + TILE_PX]
                known = labels[here] != IGNORE_INDEX
                true = np.eye(3)[labels[here][known]]
                shares = probabilities(image[here])[known]
                overlap = 2 * (shares * true).sum(axis=0) + 1
                losses = 1 - overlap / (shares.sum(axis=0) + true.sum(axis=0) + 1)
                present = (true.sum(axis=0) > 0) * weights
                pixels = (true * weights).sum()
                total += pixels * (losses * present).sum() / max(present.sum(), 1e-9)
                divisor += pixels
    return total / divisor


@pytest.mark.parametrize(("batch_size", "weights"), [(1, None), (5, CLASS_WEIGHTS)])
def test_the_loss_is_the_mean_over_the_part(part, weights, batch_size):
    factors = np.ones(3) if weights is None else np.array(weights)
    expected = {
        CrossEntropy: over_all_pixels(part, factors, 0),
        Focal: over_all_pixels(part, factors, 2),
        Dice: dice_of_tiles(part, factors),
    }
    for kind, value in expected.items():
        loss = kind(class_weights=weights)
        found = validator(part, batch_size=batch_size, loss=loss)().loss
        assert found == pytest.approx(value, rel=1e-5), kind
    both = WeightedSum([CrossEntropy(weights), Dice(class_weights=weights)], [2, 0.5])
    found = validator(part, batch_size=batch_size, loss=both)().loss
    assert found == pytest.approx(
        2 * expected[CrossEntropy] + 0.5 * expected[Dice], rel=1e-5
    )


def test_a_loss_that_knows_no_class_weights_counts_pixels(part):
    class Brightness(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.ops.mean(y_pred)

    total = divisor = 0.0
    for image, labels in (annotated.read() for annotated in part):
        padded = np.pad(image, ((0, 24), (0, 24), (0, 0)), mode="reflect") / 64
        for top in (0, 32):
            for left in (0, 32):
                pixels = (labels[top : top + 32, left : left + 32] != 255).sum()
                mean = padded[top : top + 32, left : left + 32].mean()
                total, divisor = total + pixels * mean, divisor + pixels
    found = validator(part, loss=Brightness())().loss
    assert found == pytest.approx(total / divisor, rel=1e-5)


def test_where_no_class_counts_the_loss_is_0_as_in_training(draw_dataset):
    part = draw_dataset(side_px=32, absent=1).train
    loss = CrossEntropy(class_weights=[0, 1, 0])
    assert validator(part, loss=loss)().loss == 0


def test_sees_the_weights_of_the_moment(part):
    images = keras.Input((TILE_PX, TILE_PX, 3))
    layer = keras.layers.Conv2D(3, 1, kernel_initializer="zeros")
    model = keras.Model(images, layer(images))
    validate = validator(part, model=model, loss=CrossEntropy())
    assert validate().loss == pytest.approx(np.log(3), rel=1e-5)
    layer.bias.assign([0.0, 0.0, np.log(2)])
    found = validate()
    labels = np.concatenate([annotated.read()[1].ravel() for annotated in part])
    share = (labels[labels != IGNORE_INDEX] == 2).mean()
    expected = share * np.log(2) + (1 - share) * np.log(4)
    assert found.loss == pytest.approx(expected, rel=1e-5)
    assert found.confusion.pixel_accuracy == pytest.approx(share)


class OnlyVoid(AnnotatedImage):
    def read(self):
        labels = np.full((self.height_px, self.width_px), IGNORE_INDEX, np.uint8)
        return np.zeros((*labels.shape, 3), np.uint8), labels


def test_refuses_a_part_of_void(tiny_dataset):
    image = OnlyVoid(scene="dark", name="dark/a", height_px=8, width_px=8)
    part = Part("val", [image], tiny_dataset.classes)
    with pytest.raises(DatasetError, match=r"The val part \(dark\) has no pixel with"):
        validator(part, tile_px=8, batch_size=1)()
