from typing import get_args

import keras
import numpy as np
import pytest

from export.tiny_models import blotchy_images
from segshrink.export import Calibration, export_model
from segshrink.models import build_model
from segshrink.pruning import plan_pruning
from segshrink.quantization import FakeQuantizedModel, observed_ranges
from segshrink.recipe import UNetSettings
from segshrink.runtimes import load_artifact


def test_the_published_baseline_to_the_parameter():
    model = build_model("unet", num_classes=6, base_filters=16, norm=None)
    assert model.count_params() == 1_941_190
    assert model.output_shape == (None, 256, 256, 6)


def test_the_layers_of_the_baseline():
    model = build_model("unet", num_classes=6, norm=None, dropout=0.1)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("Conv2D") == 19
    assert kinds.count("Conv2DTranspose") == kinds.count("MaxPooling2D") == 4
    assert kinds.count("Dropout") == 9
    filters = [
        model.get_layer(name).filters
        for name in (
            "encoder_1_conv_1",
            "encoder_2_conv_2",
            "encoder_3_conv_1",
            "encoder_4_conv_2",
            "bottleneck_conv_1",
            "decoder_4_upsample",
            "decoder_4_conv_1",
            "decoder_1_conv_2",
        )
    ]
    assert filters == [16, 32, 64, 128, 256, 128, 128, 16]
    assert model.get_layer("logits").kernel_size == (1, 1)


def test_batch_norm_takes_the_place_of_the_bias():
    model = build_model("unet", num_classes=6, input_shape=(64, 64, 3))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (3, 3):
            assert not layer.use_bias
            norm = model.get_layer(f"{layer.name}_norm")
            assert norm.input is layer.output
            assert model.get_layer(f"{layer.name}_relu").input is norm.output


def test_running_statistics_settle_within_a_short_run():
    model = build_model("unet", num_classes=2, input_shape=(32, 32, 3), base_filters=4)
    norm = model.get_layer("encoder_1_conv_1_norm")
    # After 50 steps less than a hundredth of the start values is left.
    assert norm.momentum**50 < 0.01


def test_without_dropout_there_is_no_dropout_layer():
    model = build_model("unet", num_classes=2, input_shape=(32, 32, 3), dropout=0.0)
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in model.layers)


@pytest.mark.parametrize(
    "activation", get_args(UNetSettings.model_fields["activation"].annotation)
)
def test_every_activation_of_a_recipe_builds(activation):
    settings = UNetSettings(activation=activation, base_filters=4, levels=1)
    model = build_model(num_classes=2, input_shape=(32, 32, 3), **settings.model_dump())
    assert model.output_shape == (None, 32, 32, 2)


@pytest.mark.parametrize("norm", ["batch", None])
def test_linear_leaves_the_activations_out(norm):
    options = {"num_classes": 2, "input_shape": (32, 32, 3), "base_filters": 4}
    plain = build_model("unet", norm=norm, **options)
    model = build_model("unet", norm=norm, activation="linear", **options)
    assert not any(isinstance(x, keras.layers.Activation) for x in model.layers)
    assert model.count_params() == plain.count_params()
    last = "encoder_1_conv_2_norm" if norm else "encoder_1_conv_2"
    assert model.get_layer("encoder_1_pool").input is model.get_layer(last).output


def linear_unet(norm):
    """Without activations, and with statistics and offsets that are not the first."""
    keras.utils.set_random_seed(0)
    model = build_model(
        "unet", num_classes=3, input_shape=(32, 32, 3), base_filters=8, levels=2,
        norm=norm, activation="linear",
    )  # fmt: skip
    random = np.random.default_rng(0)
    for weight in model.weights:
        if weight.name != "kernel" and "seed" not in weight.path:
            around = 1.0 if weight.name in ("gamma", "moving_variance") else 0.0
            weight.assign(random.uniform(around - 0.2, around + 0.2, weight.shape))
    return model


@pytest.mark.parametrize("norm", ["batch", None])
def test_without_activations_it_is_pruned_and_exported(norm, tmp_path):
    images = blotchy_images(12)
    whole = linear_unet(norm)
    model = plan_pruning(whole, keep=0.5).apply(whole)
    assert model.count_params() < 0.6 * whole.count_params()
    expected = model.predict(images.astype(np.float32), verbose=0)
    for quantize, most in ((None, 1e-8), ("int8", 0.02)):
        path = export_model(
            model, tmp_path / f"{quantize}.tflite", quantize=quantize,
            calibration=images if quantize else None,
        )  # fmt: skip
        apart = np.square(load_artifact(path).predict(images) - expected).mean()
        assert apart < most * expected.var(), quantize


@pytest.mark.parametrize("norm", ["batch", None])
def test_without_activations_its_int8_file_is_predicted(norm, tmp_path):
    images = blotchy_images(12)
    model = linear_unet(norm)
    observed = observed_ranges(model, images)
    # Ranges that clip: rounding alone differs by chance in as deep a network.
    ranges = {name: (0.3 * low, 0.3 * high) for name, (low, high) in observed.items()}
    ranges |= {name: observed[name] for name in ("images", "rescaling")}
    path = export_model(
        model,
        tmp_path / "m.tflite",
        quantize="int8",
        calibration=Calibration(images, ranges),
    )
    of_float, of_quantized = (
        x.predict(images.astype(np.float32), verbose=0)
        for x in (model, FakeQuantizedModel(model, ranges).model)
    )
    of_file = load_artifact(path).predict(images)
    loss = np.square(of_file - of_float).mean()
    assert loss > 0.1 * of_float.var()
    assert np.square(of_file - of_quantized).mean() < 0.02 * loss


@pytest.mark.parametrize("levels", [1, 3])
def test_levels_halve_the_resolution(levels):
    model = build_model(
        "unet", num_classes=2, input_shape=(32, 32, 3), levels=levels, base_filters=4
    )
    output = model.get_layer("bottleneck_conv_2").output
    assert output.shape == (None, 32 // 2**levels, 32 // 2**levels, 4 * 2**levels)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"base_filters": 0}, "base_filters must be at least 1, got 0"),
        ({"levels": 0}, "levels must be at least 1, got 0"),
        ({"norm": "group"}, "norm must be \"batch\" or None, got 'group'"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
    ],
)
def test_options_out_of_range_are_refused(option, message):
    with pytest.raises(ValueError, match=message):
        build_model("unet", num_classes=2, **option)
