"""Checks that every model of segshrink must pass."""

from typing import get_args

import keras
import numpy as np
import pytest
from keras import ops

from segshrink.models import build_model, load_model, save_model
from segshrink.models.build import _BUILDERS
from segshrink.recipe.models import TeacherModelSettings

SHAPE = (64, 96, 3)
MODELS = {
    "unet": {"base_filters": 4, "levels": 3},
    "unet-plain": {"base_filters": 4, "levels": 2, "norm": None, "dropout": 0.0},
    "unet-linear": {"base_filters": 4, "levels": 2, "activation": "linear"},
    "efficientnet_lite": {"variant": 0, "weights": None},
    "compact": {"width": 8},
    "compact-4": {"width": 8, "stem_stride": 4},
    "compact-4-2": {"width": 8, "stem_stride": 4, "logits_stride": 2},
}
# Height and width of images must be multiples of these.
DIVISORS = {
    "unet": 8,
    "unet-plain": 4,
    "unet-linear": 4,
    "efficientnet_lite": 32,
    "compact": 16,
    "compact-4": 32,
    "compact-4-2": 32,
}


def build(case, **changes):
    arguments = {"num_classes": 5, "input_shape": SHAPE, **MODELS[case], **changes}
    keras.utils.set_random_seed(0)
    return build_model(case.partition("-")[0], **arguments)


@pytest.fixture(scope="module")
def built():
    return {case: build(case) for case in MODELS}


def images(count=2, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, *SHAPE)).astype(np.float32)


each_model = pytest.mark.parametrize("case", MODELS)


def test_every_model_of_a_recipe_is_built_and_checked_here():
    families, _ = get_args(TeacherModelSettings)
    tags = {get_args(each)[1].tag for each in get_args(families)}
    assert tags == set(_BUILDERS) == {case.partition("-")[0] for case in MODELS}


@each_model
def test_images_become_logits_of_the_same_size(built, case):
    logits = built[case](images())
    assert tuple(logits.shape) == (2, 64, 96, 5)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    assert built[case].output_shape == (None, 64, 96, 5)


@each_model
@pytest.mark.parametrize("num_bands", [1, 4, 12])
def test_any_number_of_bands_goes_in(case, num_bands):
    model = build(case, input_shape=(64, 96, num_bands))
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 64, 96, num_bands))
    logits = ops.convert_to_numpy(model(pixels.astype(np.float32)))
    assert logits.shape == (2, 64, 96, 5)
    # Every band counts.
    for band in range(num_bands):
        changed = pixels.astype(np.float32)
        changed[..., band] = 255 - changed[..., band]
        assert not np.array_equal(ops.convert_to_numpy(model(changed)), logits)


@each_model
def test_outputs_are_logits_not_probabilities(built, case):
    sums = ops.convert_to_numpy(built[case](images())).sum(axis=-1)
    assert sums.min() < 0.5 or sums.max() > 1.5


@each_model
def test_pixels_are_rescaled_inside(built, case):
    rescaling = [
        layer for layer in built[case].layers if type(layer) is keras.layers.Rescaling
    ]
    assert len(rescaling) == 1
    scaled = ops.convert_to_numpy(rescaling[0](np.array([0.0, 255.0])))
    assert abs(scaled).max() == pytest.approx(1)


@each_model
def test_bytes_and_floats_give_the_same(built, case):
    pixels = images()
    floats = ops.convert_to_numpy(built[case](pixels))
    integers = ops.convert_to_numpy(built[case](pixels.astype(np.uint8)))
    np.testing.assert_array_equal(integers, floats)


@each_model
def test_every_layer_is_of_keras_and_has_a_readable_name(built, case):
    for layer in built[case].layers:
        assert type(layer).__module__.startswith("keras.")
        automatic = keras.src.utils.naming.to_snake_case(type(layer).__name__)
        if layer.name not in ("images", "rescaling"):
            assert not layer.name.startswith(automatic), layer.name
    assert built[case].layers[-1].name == "logits"


@each_model
def test_every_weight_learns(case):
    model = build(case)
    model.compile(
        keras.optimizers.SGD(1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    before = [weight.numpy() for weight in model.trainable_weights]
    labels = np.random.default_rng(1).integers(0, 5, (2, 64, 96))
    model.train_on_batch(images(), labels)
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.isfinite(weight.numpy()).all()
        assert not np.array_equal(weight.numpy(), old), weight.path


@each_model
def test_an_image_does_not_depend_on_its_batch(built, case):
    together = ops.convert_to_numpy(built[case](images()))
    alone = ops.convert_to_numpy(built[case](images()[:1]))
    np.testing.assert_allclose(alone, together[:1], rtol=1e-4, atol=1e-5)


@each_model
def test_the_seed_decides_the_weights(built, case):
    for weight, same in zip(built[case].weights, build(case).weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), same.numpy())


@each_model
def test_a_saved_model_is_the_same(built, case, tmp_path):
    save_model(built[case], tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        ops.convert_to_numpy(loaded(images())),
        ops.convert_to_numpy(built[case](images())),
    )
    assert [layer.name for layer in loaded.layers] == [
        layer.name for layer in built[case].layers
    ]


@each_model
def test_logits_are_float32_under_mixed_precision(case):
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = build(case)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert model.get_layer(index=3).compute_dtype == "bfloat16"
    assert keras.backend.standardize_dtype(model(images()).dtype) == "float32"


@each_model
def test_a_size_that_does_not_divide_is_refused_with_one_that_does(case):
    divisor = DIVISORS[case]
    with pytest.raises(
        ValueError,
        match=rf"height and width must be divisible by {divisor} \(.+\), got 65 x 96. "
        rf"Use {64 + divisor} x 96\.",
    ):
        build(case, input_shape=(65, 96, 3))
    build(case, input_shape=(64, 96 + divisor, 3))


@each_model
@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 33), (None, None, 3), (0, 64, 3)])
def test_a_shape_that_is_no_image_is_refused(case, shape):
    with pytest.raises(ValueError, match="input_shape must be \\(height, width, ba"):
        build(case, input_shape=shape)


@each_model
def test_an_unknown_option_is_named_with_the_known_ones(case):
    with pytest.raises(ValueError, match="has no option depth. Its options are .*"):
        build(case, depth=3)


@each_model
def test_a_model_without_classes_is_refused(case):
    with pytest.raises(ValueError, match="num_classes must be at least 1, got 0"):
        build(case, num_classes=0)
