"""Checks that every loss over pixels must pass."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from segshrink.objectives import CrossEntropy, Dice, Focal, WeightedSum
from segshrink.objectives.build import LOSSES as LOSSES_OF_RECIPES
from segshrink.recipe import LossSettings

tf = pytest.importorskip("tensorflow")

CLASSES = 4
WEIGHTS = (0.5, 2.0, 1.0, 0.0)
LOSSES = {
    "cross_entropy": lambda: CrossEntropy(),
    "cross_entropy_weighted": lambda: CrossEntropy(class_weights=WEIGHTS),
    "dice": lambda: Dice(),
    "dice_unsmoothed": lambda: Dice(smooth=0.0),
    "dice_weighted": lambda: Dice(class_weights=WEIGHTS),
    "focal": lambda: Focal(),
    "focal_half": lambda: Focal(gamma=0.5),
    "focal_weighted": lambda: Focal(gamma=1.5, class_weights=WEIGHTS),
    "sum": lambda: WeightedSum([CrossEntropy(), Dice(), Focal()], [1.0, 0.5, 2.0]),
}


def expected_loss(name, labels, logits):
    """Plain loops in float64."""
    if name == "sum":
        terms = [("cross_entropy", 1.0), ("dice", 0.5), ("focal", 2.0)]
        return sum(w * expected_loss(term, labels, logits) for term, w in terms)
    weights = WEIGHTS if name.endswith("weighted") else (1.0,) * CLASSES
    pixels = [
        (int(label), softmax(row))
        for label, row in zip(labels.ravel(), logits.reshape(-1, CLASSES), strict=True)
        if label != 255
    ]
    if name.startswith("dice"):
        return expected_dice(pixels, weights, 0.0 if "unsmoothed" in name else 1.0)
    gamma = {"focal": 2.0, "focal_half": 0.5, "focal_weighted": 1.5}.get(name, 0.0)
    total = weight = 0.0
    for label, p in pixels:
        total += weights[label] * (1 - p[label]) ** gamma * -np.log(p[label])
        weight += weights[label]
    return total / weight if weight else 0.0


def expected_dice(pixels, weights, smooth):
    total = weight = 0.0
    for c in range(CLASSES):
        overlap = sum(p[c] for label, p in pixels if label == c)
        predicted = sum(p[c] for _, p in pixels)
        true = sum(label == c for label, _ in pixels)
        if true:
            dice = (2 * overlap + smooth) / (predicted + true + smooth)
            total += weights[c] * (1 - dice)
            weight += weights[c]
    return total / weight if weight else 0.0


def softmax(row):
    exponentials = np.exp(row.astype(np.float64) - row.max())
    return exponentials / exponentials.sum()


def batch(seed=0, void=0.3, scale=2.0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, CLASSES, (2, 5, 3)).astype(np.uint8)
    labels[generator.random(labels.shape) < void] = 255
    logits = scale * generator.normal(size=(2, 5, 3, CLASSES))
    return labels, logits.astype(np.float32)


def loss_and_gradient(loss, labels, logits):
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(labels, logits)
    return float(value), tape.gradient(value, logits).numpy()


each_loss = pytest.mark.parametrize("name", LOSSES)


def test_every_loss_of_a_recipe_is_built_and_checked_here():
    assert LOSSES_OF_RECIPES.keys() == LossSettings().weights.keys()
    assert LOSSES_OF_RECIPES.keys() <= LOSSES.keys()


@each_loss
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_plain_loops(name, seed):
    labels, logits = batch(seed)
    value = float(LOSSES[name]()(labels, logits))
    assert value == pytest.approx(expected_loss(name, labels, logits), rel=1e-5)


@each_loss
def test_gradient_agrees_with_differences_of_the_loops(name):
    labels, logits = batch(1)
    _, gradient = loss_and_gradient(LOSSES[name](), labels, logits)
    generator = np.random.default_rng(2)
    for _ in range(3):
        direction = generator.normal(size=logits.shape)
        step = 1e-5 * direction
        slope = (
            expected_loss(name, labels, logits + step)
            - expected_loss(name, labels, logits - step)
        ) / 2e-5
        assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-3, abs=1e-6)


@each_loss
def test_logits_under_void_change_neither_loss_nor_gradient(name):
    labels, logits = batch(3)
    changed = logits.copy()
    changed[labels == 255] = 50 * np.random.default_rng(4).normal(
        size=((labels == 255).sum(), CLASSES)
    )
    value, gradient = loss_and_gradient(LOSSES[name](), labels, logits)
    changed_value, changed_gradient = loss_and_gradient(LOSSES[name](), labels, changed)
    assert changed_value == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(changed_gradient, gradient, atol=1e-7)
    assert not changed_gradient[labels == 255].any()
    assert changed_gradient[labels != 255].any()


@each_loss
def test_a_batch_of_void_costs_nothing(name):
    _, logits = batch()
    labels = np.full((2, 5, 3), 255, np.uint8)
    value, gradient = loss_and_gradient(LOSSES[name](), labels, logits)
    assert value == 0
    assert not gradient.any()


@each_loss
def test_saturated_logits_stay_finite(name):
    labels, logits = batch(void=0.1, scale=300.0)
    value, gradient = loss_and_gradient(LOSSES[name](), labels, logits)
    assert np.isfinite(value) and np.isfinite(gradient).all()
    perfect = 100.0 * np.eye(CLASSES, dtype=np.float32)[np.where(labels > 3, 0, labels)]
    value, gradient = loss_and_gradient(LOSSES[name](), labels, perfect)
    assert value == pytest.approx(0, abs=1e-5)
    assert np.isfinite(gradient).all()


@each_loss
@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float32"])
def test_labels_come_in_any_dtype_with_or_without_channel(name, dtype):
    labels, logits = batch()
    loss = LOSSES[name]()
    expected = float(loss(labels, logits))
    assert float(loss(labels.astype(dtype), logits)) == expected
    assert float(loss(labels[..., None].astype(dtype), logits)) == expected


@each_loss
def test_bfloat16_logits_are_computed_in_float32(name):
    labels, logits = batch()
    rounded = ops.cast(logits, "bfloat16")
    value = LOSSES[name]()(labels, rounded)
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    same = float(LOSSES[name]()(labels, ops.cast(rounded, "float32")))
    assert float(value) == same


@each_loss
@pytest.mark.parametrize("jit", [False, True])
def test_compiled_with_an_unknown_batch_size_it_is_the_same(name, jit):
    labels, logits = batch()
    loss = LOSSES[name]()
    signature = [
        tf.TensorSpec((None, 5, 3), tf.uint8),
        tf.TensorSpec((None, 5, 3, CLASSES), tf.float32),
    ]
    compiled = tf.function(loss, input_signature=signature, jit_compile=jit)
    assert float(compiled(labels, logits)) == pytest.approx(
        float(loss(labels, logits)), rel=1e-5
    )


@each_loss
def test_it_survives_its_configuration(name):
    labels, logits = batch()
    loss = LOSSES[name]()
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(loss) and again.name == loss.name
    assert float(again(labels, logits)) == float(loss(labels, logits))


@each_loss
def test_shapes_that_do_not_match_are_refused(name):
    labels, logits = batch()
    with pytest.raises(ValueError, match=r"labels .* must match logits .*\(2, 5, 2\)"):
        LOSSES[name]()(labels[:, :, :2], logits)
    with pytest.raises(ValueError, match="must match logits"):
        LOSSES[name]()(labels[0], logits)


def repeated(labels, logits, counts):
    """Each pixel as often as `counts` says, in one line."""
    counts = np.broadcast_to(counts, labels.shape).ravel()
    rows = logits.reshape(-1, CLASSES).repeat(counts, axis=0)
    return labels.ravel().repeat(counts)[None, None], rows[None, None]


COUNTS = {
    "images": np.array([3, 1]).reshape(2, 1, 1),
    "one_image_alone": np.array([0, 2]).reshape(2, 1, 1),
    "pixels": np.random.default_rng(5).integers(0, 4, (2, 5, 3)),
    "rows": np.arange(5).reshape(1, 5, 1).repeat(2, axis=0).repeat(3, axis=2),
}


@each_loss
@pytest.mark.parametrize("case", COUNTS)
def test_a_pixel_of_weight_two_counts_as_two(name, case):
    labels, logits = batch()
    counts = COUNTS[case]
    weight = counts.astype(np.float32)
    weight = weight[:, 0, 0] if counts.shape[1:] == (1, 1) else weight
    value = float(LOSSES[name]()(labels, logits, sample_weight=weight))
    expected = expected_loss(name, *repeated(labels, logits, counts))
    assert value == pytest.approx(expected, rel=1e-5)


@each_loss
def test_the_weighted_gradient_is_that_of_the_repeated_pixels(name):
    labels, logits = batch(1)
    counts = COUNTS["pixels"]
    loss = LOSSES[name]()
    value, gradient = loss_and_gradient(
        lambda y, z: loss(y, z, sample_weight=counts), labels, logits
    )
    many, its_gradient = loss_and_gradient(loss, *repeated(labels, logits, counts))
    assert value == pytest.approx(many, rel=1e-5)
    # The pixels that repeat one share its gradient.
    ends = np.cumsum(counts)
    sums = np.concatenate([np.zeros((1, CLASSES)), its_gradient[0, 0].cumsum(axis=0)])
    expected = (sums[ends] - sums[ends - counts.ravel()]).reshape(logits.shape)
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-6)


@each_loss
def test_weight_zero_is_void(name):
    labels, logits = batch(void=0.0)
    weight = np.random.default_rng(6).integers(0, 2, labels.shape)
    loss = LOSSES[name]()
    value, gradient = loss_and_gradient(
        lambda y, z: loss(y, z, sample_weight=weight), labels, logits
    )
    void, its_gradient = loss_and_gradient(
        loss, np.where(weight, labels, 255).astype(np.uint8), logits
    )
    assert value == pytest.approx(void, rel=1e-6)
    np.testing.assert_allclose(gradient, its_gradient, atol=1e-7)
    assert not gradient[weight == 0].any()


@each_loss
def test_an_image_of_weight_zero_is_absent(name):
    labels, logits = batch(2)
    value = float(LOSSES[name]()(labels, logits, sample_weight=np.array([0.0, 1.0])))
    alone = float(LOSSES[name]()(labels[1:], logits[1:]))
    assert value == pytest.approx(alone, rel=1e-6)


@each_loss
@pytest.mark.parametrize("shape", [(2,), (2, 5, 3)])
def test_no_weight_at_all_costs_nothing(name, shape):
    labels, logits = batch()
    loss = LOSSES[name]()
    value, gradient = loss_and_gradient(
        lambda y, z: loss(y, z, sample_weight=np.zeros(shape)), labels, logits
    )
    assert value == 0
    assert not gradient.any()


@each_loss
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "bool"])
def test_weights_of_one_change_nothing(name, dtype):
    labels, logits = batch()
    expected = float(LOSSES[name]()(labels, logits))
    for shape in ((2,), (2, 5, 3)):
        for y in (labels, labels[..., None]):
            weight = np.ones(shape, dtype)
            assert float(LOSSES[name]()(y, logits, sample_weight=weight)) == expected


@each_loss
@pytest.mark.parametrize("factor", [0.25, 64.0])
def test_only_the_ratios_of_weights_count(name, factor):
    if "dice" in name or name == "sum":
        pytest.skip("smooth is a number of pixels")
    labels, logits = batch()
    weight = np.random.default_rng(7).uniform(0.1, 2, labels.shape)
    one, other = (
        float(LOSSES[name]()(labels, logits, sample_weight=w))
        for w in (weight, factor * weight)
    )
    assert one == pytest.approx(other, rel=1e-6)


@pytest.mark.parametrize("name", ["cross_entropy_weighted", "dice", "focal", "sum"])
@pytest.mark.parametrize(("shape", "jit"), [((), False), ((5, 3), True)])
def test_compiled_with_weights_it_is_the_same(name, shape, jit):
    labels, logits = batch()
    weight = np.random.default_rng(8).uniform(0, 2, (2, *shape)).astype(np.float32)
    loss = LOSSES[name]()
    signature = [
        tf.TensorSpec((None, *x.shape[1:]), x.dtype) for x in (labels, logits, weight)
    ]
    compiled = tf.function(loss, input_signature=signature, jit_compile=jit)
    for part in (slice(None), slice(1)):
        arguments = labels[part], logits[part], weight[part]
        assert float(compiled(*arguments)) == pytest.approx(
            float(loss(*arguments)), rel=1e-5
        )


BAD_WEIGHTS = [(), (1,), (3,), (2, 1), (2, 5), (2, 3, 5), (1, 5, 3), (2, 5, 3, 1)]


@each_loss
@pytest.mark.parametrize("shape", BAD_WEIGHTS)
def test_weights_of_other_shapes_are_refused(name, shape):
    labels, logits = batch()
    loss = LOSSES[name]()
    # A sum hands them on to its first loss.
    named = "cross_entropy" if name == "sum" else loss.name
    with pytest.raises(
        ValueError, match=rf"^{named}: sample_weight must be \(batch,\)"
    ):
        loss(labels, logits, sample_weight=np.ones(shape))


@each_loss
def test_keras_hands_weights_on_in_training(name):
    labels, logits = batch()
    weight = np.array([1, 3], np.float32)
    model = keras.Sequential([keras.Input((5, 3, CLASSES)), keras.layers.Identity()])
    model.compile(loss=LOSSES[name](), run_eagerly=True)
    found = model.evaluate(logits, labels, sample_weight=weight, verbose=0)
    expected = float(LOSSES[name]()(labels, logits, sample_weight=weight))
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_sum_reports_weighted_components():
    labels, logits = batch()
    weight = np.array([1, 3], np.float32)
    found = LOSSES["sum"]().components(labels, logits, weight)
    assert {key: float(value) for key, value in found.items()} == {
        loss.name: float(loss(labels, logits, weight))
        for loss in LOSSES["sum"]().losses
    }


ON_ANOTHER_BACKEND = """
import sys
import numpy as np
from segshrink.objectives import CrossEntropy, Dice, Focal
data = np.load(sys.argv[1])
weights = data["weights"]
for loss in (CrossEntropy(weights), Dice(class_weights=weights), Focal()):
    print(float(loss(data["labels"], data["logits"])))
    print(float(loss(data["labels"], data["logits"], data["counts"])))
"""


@pytest.mark.backends
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_they_are_the_same_on_another_backend(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    labels, logits = batch()
    arrays = {"labels": labels, "logits": logits, "weights": WEIGHTS}
    np.savez(tmp_path / "batch.npz", **arrays, counts=COUNTS["pixels"])
    done = subprocess.run(
        [sys.executable, "-c", ON_ANOTHER_BACKEND, str(tmp_path / "batch.npz")],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=True,
    )
    names = ("cross_entropy_weighted", "dice_weighted", "focal")
    many = repeated(labels, logits, COUNTS["pixels"])
    expected = [
        expected_loss(name, *pixels)
        for name in names
        for pixels in ((labels, logits), many)
    ]
    found = [float(line) for line in done.stdout.split()]
    assert found == pytest.approx(expected, rel=1e-5)
