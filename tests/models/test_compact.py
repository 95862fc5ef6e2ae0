import keras
import numpy as np
import pytest
from keras import ops

from segshrink.models import build_model

# Each has a kernel in XNNPACK, in float and in int8; no other kind may slip in.
QUICK_KINDS = {
    "InputLayer",
    "Rescaling",
    "Conv2D",
    "DepthwiseConv2D",
    "BatchNormalization",
    "ReLU",
    "Add",
    "UpSampling2D",
}


def small(**options):
    return build_model("compact", num_classes=3, input_shape=(64, 64, 3), **options)


def test_it_has_quick_layers_only():
    kinds = {type(layer).__name__ for layer in small().layers}
    assert kinds == QUICK_KINDS


@pytest.mark.parametrize("stem_stride", [2, 4])
def test_only_rescaling_stem_and_result_touch_full_resolution(stem_stride):
    model = small(stem_stride=stem_stride)
    full = [layer.name for layer in model.layers if layer.output.shape[1] == 64]
    assert full == ["images", "rescaling", "logits"]
    finest = model.get_layer("encoder_1_block_1_pointwise").output.shape
    assert finest[1:] == (64 // stem_stride, 64 // stem_stride, 32)


def test_finer_logits_see_the_first_convolution():
    coarse = small(width=8, stem_stride=4)
    fine = small(width=8, stem_stride=4, logits_stride=2)
    assert coarse.get_layer("coarse_logits").output.shape[1:3] == (16, 16)
    assert fine.get_layer("coarse_logits").output.shape[1:3] == (32, 32)
    assert fine.output.shape == coarse.output.shape
    stem = fine.get_layer("stem_conv_relu6").output
    merged = fine.get_layer("decoder_0_add").input
    assert any(tensor is stem for tensor in merged)
    # All that it has more is this one step of the decoder: 8 -> 4 -> 3 x 3 -> 4 and 4
    # values of each of 3 normalizations, less the logits' 4 x 3 weights.
    more = 8 * 4 + 9 * 4 + 4 * 4 + 3 * 4 * 4 - 4 * 3
    assert fine.count_params() - coarse.count_params() == more


@pytest.mark.parametrize("stride", [2, 4])
def test_logits_as_coarse_as_the_stem_are_the_default(stride):
    named = small(width=8, stem_stride=stride, logits_stride=stride)
    default = small(width=8, stem_stride=stride)
    assert [x.name for x in named.layers] == [x.name for x in default.layers]


def test_every_convolution_but_the_last_is_normalized():
    model = small(stem_stride=4, logits_stride=2)
    convolutions = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
    ]
    for layer in convolutions[:-1]:
        assert not layer.use_bias
        assert model.get_layer(f"{layer.name}_norm").input is layer.output
        assert model.get_layer(f"{layer.name}_relu6").max_value == 6.0
    assert convolutions[-1].name == "coarse_logits"


def test_width_scales_the_channels():
    for width in (8, 32):
        filters = [
            small(width=width).get_layer(f"encoder_{stage}_block_1_pointwise").filters
            for stage in (1, 2, 3, 4)
        ]
        assert filters == [width, 2 * width, 4 * width, 8 * width]


def test_blocks_deepen_the_stages_of_the_encoder():
    default, deeper = small(width=8), small(width=8, blocks=(1, 2, 4, 3))
    more = {x.name for x in deeper.layers} - {x.name for x in default.layers}
    assert {name.removeprefix("encoder_3_block_4_") for name in more} == {
        *(f"depthwise{part}" for part in ("", "_norm", "_relu6")),
        *(f"pointwise{part}" for part in ("", "_norm", "_relu6")),
        "add",
    }
    # A stage of 32 channels: 3 x 3 and 1 x 1 weights, 4 values of two normalizations.
    weights = 32 * (9 + 32 + 2 * 4)
    assert deeper.count_params() - default.count_params() == weights
    assert small(width=8, blocks=[1, 2, 3, 3]).count_params() == default.count_params()


def test_the_result_is_the_coarse_logits_upsampled():
    model = small(width=8, stem_stride=4)
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3))
    outputs = keras.Model(
        model.input, [model.get_layer("coarse_logits").output, model.output]
    )(pixels)
    coarse, logits = (ops.convert_to_numpy(output) for output in outputs)
    # Bilinear with half-pixel centres: 4 x 4 pixels average to the mean around them.
    inner = logits[0, 2:-2, 2:-2].reshape(15, 4, 15, 4, 3).mean(axis=(1, 3))
    corners = (coarse[:, :-1] + coarse[:, 1:]) / 2
    expected = (corners[:, :, :-1] + corners[:, :, 1:])[0] / 2
    np.testing.assert_allclose(inner, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"width": 0}, "width must be a positive multiple of 8, got 0"),
        ({"width": 12}, "width must be a positive multiple of 8, got 12"),
        ({"stem_stride": 3}, "stem_stride must be 2 or 4, got 3"),
        ({"logits_stride": 4}, "logits_stride must be 2, that of the stem, got 4"),
        (
            {"stem_stride": 4, "logits_stride": 1},
            "logits_stride must be 2 or 4, that of the stem, got 1",
        ),
        ({"blocks": (1, 2, 3)}, r"blocks must be four ints > 0, got \(1, 2, 3\)"),
        ({"blocks": [1, 0, 3, 3]}, r"four ints > 0, got \(1, 0, 3, 3\)"),
    ],
)
def test_options_out_of_range_are_refused(option, message):
    with pytest.raises(ValueError, match=message):
        small(**option)
