"""Checks that every distillation loss must pass."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from distillation.losses import loops
from distillation.losses.loops import Batch
from distillation.networks import SIDE_PX, network
from segshrink.distillation.losses import (
    DIST,
    AttentionTransfer,
    ChannelWise,
    FeatureHint,
    PairwiseSimilarity,
    PixelKL,
    SoftDice,
)

tf = pytest.importorskip("tensorflow")

IMAGES, HEIGHT, WIDTH = 3, 5, 4
OVER_IMAGES = (ChannelWise, AttentionTransfer, PairwiseSimilarity)
OF_ANY_CHANNELS = (AttentionTransfer, PairwiseSimilarity)


@dataclass(frozen=True)
class Case:
    """A loss, its loops, and the channels of teacher and student to try it with."""

    kind: type
    loop: Callable[..., float]
    options: dict[str, Any] = field(default_factory=dict)
    channels: tuple[int, int] = (4, 4)

    def make(self):
        return self.kind(**self.options)

    def expected(self, batch):
        return self.loop(batch, **self.options)


CASES = {
    "pixel_kl": Case(PixelKL, loops.pixel_kl),
    "pixel_kl_two": Case(PixelKL, loops.pixel_kl, {"temperature": 0.7}, (2, 2)),
    "pixel_kl_sigmoid": Case(PixelKL, loops.pixel_kl, {"temperature": 3.0}, (1, 1)),
    "soft_dice": Case(SoftDice, loops.soft_dice),
    "soft_dice_sigmoid": Case(SoftDice, loops.soft_dice, {}, (1, 1)),
    "channel_wise": Case(ChannelWise, loops.channel_wise),
    "channel_wise_one": Case(
        ChannelWise, loops.channel_wise, {"temperature": 0.8}, (1, 1)
    ),
    "dist": Case(DIST, loops.dist),
    "dist_weighted": Case(
        DIST, loops.dist, {"temperature": 2.0, "inter": 0.5, "intra": 2.0}, (3, 3)
    ),
    "dist_inter": Case(DIST, loops.dist, {"intra": 0.0}),
    "dist_two": Case(DIST, loops.dist, {"inter": 0.0}, (2, 2)),
    "dist_sigmoid": Case(DIST, loops.dist, {"inter": 0.0}, (1, 1)),
    "feature_hint": Case(FeatureHint, loops.feature_hint),
    "attention_transfer": Case(AttentionTransfer, loops.attention_transfer, {}, (5, 3)),
    "pairwise": Case(PairwiseSimilarity, loops.pairwise_similarity, {}, (4, 3)),
    "pairwise_coarse": Case(
        PairwiseSimilarity, loops.pairwise_similarity, {"grid": 3}, (3, 5)
    ),
}
# One of each kind, for what does not depend on the options.
KINDS = ("pixel_kl", "soft_dice", "channel_wise", "dist", "feature_hint")
KINDS += ("attention_transfer", "pairwise_coarse")

each_case = pytest.mark.parametrize("name", CASES)
each_kind = pytest.mark.parametrize("name", KINDS)


def draw(name, seed=0, valid=None, weight=None, scale=2.0):
    """A batch; `valid` and `weight` are the sizes of the maps to draw, or "image"."""
    generator = np.random.default_rng([seed, 0])
    teacher, student = (
        scale * generator.normal(size=(IMAGES, HEIGHT, WIDTH, channels))
        for channels in CASES[name].channels
    )
    generator = np.random.default_rng([seed, 1])
    if valid is not None:
        valid = generator.random((IMAGES, *valid)) < 0.6
        valid[0, : valid.shape[1] // 2] = False
    if weight is not None:
        shape = () if weight == "image" else weight
        weight = generator.uniform(0.2, 3, (IMAGES, *shape)).astype(np.float32)
    return Batch(teacher.astype(np.float32), student.astype(np.float32), valid, weight)


def value(loss, batch):
    return float(loss.compute_loss(*batch.arguments))


def value_and_gradient(loss, batch):
    teacher, student, *rest = batch.arguments
    teacher, student = tf.constant(teacher), tf.constant(student)
    with tf.GradientTape() as tape:
        tape.watch([teacher, student])
        result = loss.compute_loss(teacher, student, *rest)
    of_teacher, of_student = tape.gradient(result, [teacher, student])
    assert of_teacher is None or not of_teacher.numpy().any()
    return float(result), of_student.numpy()


def void_cells(batch):
    """Where no part of a cell is valid."""
    images = range(len(batch.teacher))
    return np.stack([loops.cell_weights(batch, i) for i in images]) == 0


def spoilt(batch, garbage):
    """The batch with other values where it is void."""
    maps = [batch.teacher.copy(), batch.student.copy()]
    for features in maps:
        features[void_cells(batch)] = garbage
    return batch.but(teacher=maps[0], student=maps[1])


CONDITIONS = {
    "plain": {},
    "void": {"valid": (HEIGHT, WIDTH)},
    "fine_void": {"valid": (2 * HEIGHT, 2 * WIDTH)},
    "uneven_void": {"valid": (7, 6)},
    "coarse_void": {"valid": (3, 2)},
    "weighted": {"weight": "image"},
    "weighted_void": {"valid": (7, 3), "weight": "image"},
    "weighted_pixels": {"valid": (HEIGHT, WIDTH), "weight": (HEIGHT, WIDTH)},
    "fine_weights": {"weight": (11, 8)},
    "coarse_weights": {"weight": (2, 3)},
    "fine_weights_and_void": {"valid": (9, 8), "weight": (9, 8)},
}


def skip_unless_allowed(name, condition):
    weight = CONDITIONS[condition].get("weight")
    if isinstance(weight, tuple) and CASES[name].kind in OVER_IMAGES:
        pytest.skip("weights of images only")


@each_case
@pytest.mark.parametrize("condition", CONDITIONS)
def test_agrees_with_plain_loops(name, condition):
    skip_unless_allowed(name, condition)
    for seed in range(3):
        batch = draw(name, seed, **CONDITIONS[condition])
        found = CASES[name].make().compute_loss(*batch.arguments)
        assert found.shape == ()
        assert keras.backend.standardize_dtype(found.dtype) == "float32"
        expected = CASES[name].expected(batch)
        assert float(found) == pytest.approx(expected, rel=2e-5)


@st.composite
def batches(draw_from, channels, over_images):
    sides = st.integers(2, 6)
    size = (draw_from(sides), draw_from(sides))
    mask = draw_from(st.sampled_from([size, (2 * size[0], size[1]), (5, 3), (1, 2)]))
    generator = np.random.default_rng(draw_from(st.integers(0, 2**32)))
    images = draw_from(st.integers(1, 3))
    scale = draw_from(st.floats(0.5, 4))
    maps = [generator.normal(0, scale, (images, *size, c)) for c in channels]
    valid = generator.random((images, *mask)) < draw_from(st.floats(0.2, 1))
    weighted = draw_from(st.sampled_from([None, "image", "pixel"]))
    shape = (images, *mask) if weighted == "pixel" and not over_images else (images,)
    weight = None if weighted is None else generator.uniform(0, 2, shape)
    return Batch(*(x.astype(np.float32) for x in maps), valid, weight)


@each_kind
@given(st.data())
def test_agrees_with_plain_loops_for_any_shape_and_void(name, data):
    case = CASES[name]
    batch = data.draw(batches(case.channels, case.kind in OVER_IMAGES))
    # A correlation over fewer pixels is ill-conditioned, of one it has no value.
    if case.kind is DIST and 0 < len(loops.cells(batch)) < 4:
        assert np.isfinite(value(case.make(), batch))
        return
    expected = case.expected(batch)
    assert value(case.make(), batch) == pytest.approx(expected, rel=2e-4, abs=1e-5)


@each_case
@pytest.mark.parametrize("condition", ["plain", "uneven_void", "weighted_void"])
def test_gradient_agrees_with_differences_of_the_loops(name, condition):
    batch = draw(name, 1, **CONDITIONS[condition])
    _, gradient = value_and_gradient(CASES[name].make(), batch)
    exact = batch.student.astype(np.float64)
    generator = np.random.default_rng(2)
    for _ in range(3):
        direction = generator.normal(size=exact.shape)
        ahead, behind = (
            CASES[name].expected(batch.but(student=exact + step * direction))
            for step in (1e-5, -1e-5)
        )
        assert np.sum(gradient * direction) == pytest.approx(
            (ahead - behind) / 2e-5, rel=1e-3, abs=1e-6
        )


@each_case
@pytest.mark.parametrize("condition", ["void", "fine_void", "weighted_void"])
def test_what_is_under_void_changes_no_bit_of_loss_or_gradient(name, condition):
    batch = draw(name, 3, **CONDITIONS[condition])
    void = void_cells(batch)
    assert 0 < void.sum() < void.size
    clean, gradient = value_and_gradient(CASES[name].make(), batch)
    assert np.isfinite(clean) and not gradient[void].any()
    assert gradient[~void].any(axis=-1).mean() > 0.5
    for garbage in (-7.0, 1e30, np.nan, np.inf, -np.inf):
        dirty = spoilt(batch, garbage)
        found, its_gradient = value_and_gradient(CASES[name].make(), dirty)
        assert found == clean
        np.testing.assert_array_equal(its_gradient, gradient)


@each_case
@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (7, 9)])
def test_a_batch_of_void_costs_nothing(name, size):
    valid = np.zeros((IMAGES, *size), bool)
    for batch in (draw(name), draw(name, weight="image")):
        for garbage in (1.0, np.nan):
            dirty = spoilt(batch.but(valid=valid), garbage)
            found, gradient = value_and_gradient(CASES[name].make(), dirty)
            assert found == 0
            assert not gradient.any()


@each_case
def test_weights_of_nothing_cost_nothing(name):
    batch = draw(name).but(sample_weight=np.zeros(IMAGES, np.float32))
    found, gradient = value_and_gradient(CASES[name].make(), batch)
    assert found == 0
    assert not gradient.any()


@each_case
def test_an_image_of_void_counts_as_if_it_were_left_out(name):
    batch = draw(name, valid=(HEIGHT, WIDTH), weight="image")
    batch.valid[1] = False
    found, gradient = value_and_gradient(CASES[name].make(), spoilt(batch, np.nan))
    rest = batch.of_images([0, 2])
    expected, its_gradient = value_and_gradient(CASES[name].make(), rest)
    assert found == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(gradient[[0, 2]], its_gradient, rtol=1e-4, atol=1e-6)
    assert not gradient[1].any()


@each_case
@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_only_the_ratios_of_weights_count(name, factor):
    batch = draw(name, valid=(7, 6), weight="image")
    scaled = batch.but(sample_weight=factor * batch.sample_weight)
    found, gradient = value_and_gradient(CASES[name].make(), scaled)
    expected, its_gradient = value_and_gradient(CASES[name].make(), batch)
    assert found == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(gradient, its_gradient, rtol=1e-3, atol=1e-6)


@each_case
def test_equal_maps_cost_nothing(name):
    batch = draw(name, 5, valid=(7, 6))
    batch = batch.but(student=batch.teacher)
    found, gradient = value_and_gradient(CASES[name].make(), batch)
    assert found == pytest.approx(0, abs=2e-6)
    np.testing.assert_allclose(gradient, 0, atol=1e-5)


@each_case
@pytest.mark.parametrize("scale", [1e-4, 300.0, 1e5])
def test_inputs_of_any_size_stay_finite(name, scale):
    batch = draw(name, scale=scale, valid=(HEIGHT, WIDTH))
    for student in (batch.student, -batch.student, 1e-4 * batch.student):
        found, gradient = value_and_gradient(
            CASES[name].make(), batch.but(student=student)
        )
        assert np.isfinite(found) and np.isfinite(gradient).all()


@each_case
@pytest.mark.parametrize("level", [0.0, 3.0, 0.1])
def test_maps_without_structure_stay_finite(name, level):
    batch = draw(name, valid=(7, 6))
    flat = [np.full_like(x, level) for x in (batch.teacher, batch.student)]
    for teacher, student in (
        (flat[0], batch.student),
        (batch.teacher, flat[1]),
        flat,
    ):
        found, gradient = value_and_gradient(
            CASES[name].make(), batch.but(teacher=teacher, student=student)
        )
        assert np.isfinite(found) and np.isfinite(gradient).all()
        # The exact gradient has no bound; one step must not throw the student away.
        assert abs(gradient).max() < 1e3


@each_case
def test_dead_places_and_channels_stay_finite(name):
    """As after a ReLU: zeros without a direction."""
    batch = draw(name, valid=(7, 6))
    maps = [np.maximum(x, 0) for x in (batch.teacher, batch.student)]
    maps[0][1, :2] = 0
    maps[1][1, 2:] = 0
    maps[1][2, ..., 0] = 0
    for teacher, student in (maps, maps[::-1]):
        dead = batch.but(teacher=teacher, student=student)
        found, gradient = value_and_gradient(CASES[name].make(), dead)
        assert np.isfinite(found) and np.isfinite(gradient).all()


@each_case
def test_a_single_valid_pixel_stays_finite(name):
    batch = draw(name)
    valid = np.zeros((IMAGES, 7, 6), bool)
    valid[1, 3, 2] = True
    found, gradient = value_and_gradient(CASES[name].make(), batch.but(valid=valid))
    assert np.isfinite(found) and np.isfinite(gradient).all()
    assert abs(gradient).max() < 1e3


@each_kind
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_it_computes_in_float32(name, dtype):
    loss, batch = CASES[name].make(), draw(name, valid=(7, 6))
    given = [ops.cast(x, dtype) for x in (batch.teacher, batch.student)]
    found = loss.compute_loss(*given, batch.valid)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    same = [ops.cast(x, "float32") for x in given]
    assert float(found) == float(loss.compute_loss(*same, batch.valid))


def compiled(loss, batch, jit):
    """Value and gradient in a graph that does not know the size of the batch."""

    def run(teacher, student, valid, weight):
        with tf.GradientTape() as tape:
            tape.watch(student)
            found = loss.compute_loss(teacher, student, valid, weight)
        return found, tape.gradient(found, student)

    signature = [tf.TensorSpec((None, *x.shape[1:]), x.dtype) for x in batch.arguments]
    return tf.function(run, input_signature=signature, jit_compile=jit)


@each_kind
@pytest.mark.parametrize("jit", [False, True])
def test_compiled_with_an_unknown_batch_size_it_is_the_same(name, jit):
    loss, batch = CASES[name].make(), draw(name, valid=(10, 8), weight="image")
    function = compiled(loss, batch, jit)
    for part in (batch, batch.of_images([0, 2])):
        expected, its_gradient = value_and_gradient(loss, part)
        found, gradient = function(*part.arguments)
        assert float(found) == pytest.approx(expected, rel=1e-5)
        np.testing.assert_allclose(gradient, its_gradient, rtol=1e-3, atol=1e-6)
    dirty, dirty_gradient = function(*spoilt(part, np.nan).arguments)
    assert float(dirty) == float(found)
    np.testing.assert_array_equal(dirty_gradient, gradient)


@each_case
def test_it_survives_its_configuration(name):
    case, batch = CASES[name], draw(name, valid=(7, 6))
    names = {"teacher_layer_name": "there", "student_layer_name": "here"}
    loss = case.kind(**case.options, **names)
    assert json.loads(json.dumps(loss.get_config())).items() >= (
        {**case.options, **names}.items()
    )
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
    for again in (
        keras.saving.deserialize_keras_object(config),
        case.kind.from_config(loss.get_config()),
    ):
        assert type(again) is case.kind
        assert again.teacher_layer_name == "there"
        assert again.student_layer_name == "here"
        assert again.get_config() == loss.get_config()
        assert value(again, batch) == value(loss, batch)


@each_kind
def test_it_is_a_loss_of_keras_without_layers_unless_told(name):
    loss = CASES[name].make()
    assert isinstance(loss, keras.distillation.DistillationLoss)
    assert loss.teacher_layer_name is None and loss.student_layer_name is None


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (PixelKL, {"temperature": 2.0}),
        (ChannelWise, {"temperature": 4.0}),
        (DIST, {"temperature": 1.0, "inter": 1.0, "intra": 1.0}),
        (FeatureHint, {}),
        (AttentionTransfer, {}),
        (PairwiseSimilarity, {"grid": 8}),
    ],
)
def test_options_have_the_documented_defaults(kind, options):
    names = {"teacher_layer_name": None, "student_layer_name": None}
    assert kind().get_config() == options | names


SHAPE = (2, 4, 6, 4)
UNFIT = {
    "height": {"student": (2, 5, 6, 4)},
    "width": {"student": (2, 4, 3, 4)},
    "batch": {"student": (1, 4, 6, 4)},
    "rank_3": {"teacher": SHAPE[1:], "student": SHAPE[1:]},
    "student_of_rank_3": {"student": SHAPE[1:]},
    "rank_5": {"teacher": (1, *SHAPE), "student": (1, *SHAPE)},
    "channels": {"student": (2, 4, 6, 3)},
    "one_channel": {"student": (2, 4, 6, 1)},
    "mask_with_channel": {"valid": (2, 4, 6, 1)},
    "mask_without_batch": {"valid": (4, 6)},
    "mask_of_other_batch": {"valid": (3, 4, 6)},
    "mask_of_one": {"valid": (1, 4, 6)},
    "weight_of_other_batch": {"sample_weight": (3,)},
    "weight_of_one": {"sample_weight": (1,)},
    "weight_of_rank_2": {"sample_weight": (2, 4)},
    "weight_with_channel": {"sample_weight": (2, 4, 6, 1)},
    "scalar_weight": {"sample_weight": ()},
    "weight_of_other_size": {"valid": (2, 4, 6), "sample_weight": (2, 8, 6)},
    "pixel_weight": {"sample_weight": (2, 4, 6)},
}


@each_kind
@pytest.mark.parametrize("unfit", UNFIT)
def test_shapes_that_do_not_fit_are_refused(name, unfit):
    kind = CASES[name].kind
    arguments = {"teacher": SHAPE, "student": SHAPE} | UNFIT[unfit]
    batch = Batch(
        **{
            key: np.ones(shape, bool if key == "valid" else np.float32)
            for key, shape in arguments.items()
        }
    )
    if (unfit == "pixel_weight" and kind not in OVER_IMAGES) or (
        "channel" in unfit and "student" in UNFIT[unfit] and kind in OF_ANY_CHANNELS
    ):
        assert np.isfinite(value(kind(), batch))
        return
    loss = kind()
    with pytest.raises(ValueError, match=f"^{loss.name}: "):
        value(loss, batch)


NOT_POSITIVE = (0, -1.0, float("nan"), float("inf"))
BAD_OPTIONS = [
    *(
        (kind, {"temperature": t})
        for kind in (PixelKL, ChannelWise, DIST)
        for t in NOT_POSITIVE
    ),
    *((PairwiseSimilarity, {"grid": grid}) for grid in (0, -1, 2.5, True)),
    *((DIST, {key: x}) for key in ("inter", "intra") for x in NOT_POSITIVE[1:]),
    (DIST, {"inter": 0, "intra": 0}),
]


@pytest.mark.parametrize(("kind", "options"), BAD_OPTIONS)
def test_options_out_of_range_are_refused(kind, options):
    with pytest.raises(ValueError, match="|".join(options)):
        kind(**options)


ON_ANOTHER_BACKEND = """
import sys
import numpy as np
from segshrink.distillation import losses
data = np.load(sys.argv[1])
for name in sys.argv[2:]:
    loss = getattr(losses, name)()
    maps = data[f"{name}.teacher"], data[f"{name}.student"]
    print(float(loss.compute_loss(*maps, data["valid"], data["weight"])))
"""


@pytest.mark.backends
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_they_are_the_same_on_another_backend(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    arrays, expected = {}, {}
    for name in KINDS:
        kind = CASES[name].kind
        batch = draw(name, valid=(7, 6), weight="image")
        expected[kind.__name__] = value(kind(), batch)
        teacher, student, valid, weight = spoilt(batch, np.nan).arguments
        arrays |= {"valid": valid, "weight": weight}
        arrays |= {f"{kind.__name__}.teacher": teacher}
        arrays |= {f"{kind.__name__}.student": student}
    np.savez(tmp_path / "batch.npz", **arrays)
    done = subprocess.run(
        [sys.executable, "-c", ON_ANOTHER_BACKEND, tmp_path / "batch.npz", *expected],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [float(line) for line in done.stdout.split()] == pytest.approx(
        list(expected.values()), rel=1e-5
    )


def test_they_train_together_in_the_distiller_of_keras():
    """On logits without names of layers, on features with them."""
    names = {"teacher_layer_name": "norm", "student_layer_name": "norm"}
    on_logits = [CASES[name].make() for name in KINDS]
    on_features = [kind(**names) for kind in (ChannelWise, FeatureHint)]
    on_features += [kind(**names) for kind in OF_ANY_CHANNELS]
    student = network(2)
    before = student.get_layer("first").kernel.numpy()
    distiller = keras.distillation.Distiller(
        teacher=network(1),
        student=student,
        distillation_losses=on_logits + on_features,
    )
    distiller.compile(
        "sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    images = np.random.default_rng(0).integers(0, 256, (2, SIDE_PX, SIDE_PX, 3))
    labels = np.zeros((2, SIDE_PX, SIDE_PX), np.uint8)
    history = distiller.fit(images, labels, batch_size=2, epochs=1, verbose=0).history
    assert np.isfinite(history["distillation_loss"][0])
    assert history["distillation_loss"][0] > 0
    assert np.isfinite(student.get_layer("first").kernel.numpy()).all()
    assert (student.get_layer("first").kernel.numpy() != before).any()
