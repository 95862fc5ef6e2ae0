import keras
import pytest

from segshrink.models import build_model


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
