import keras
import numpy as np
import pytest

from segshrink.models import build_model


def build(**options):
    options = {"weights": None, **options}
    return build_model(
        "efficientnet_lite", num_classes=3, input_shape=(64, 96, 3), **options
    )


# Of the encoder as published, without classifier: Tan and Le give 4.7 M, 5.4 M and
# 6.1 M with one of 1280 features and 1000 classes.
@pytest.mark.parametrize(
    ("variant", "millions", "last"), [(0, 4.7, 320), (1, 5.4, 320), (2, 6.1, 352)]
)
def test_the_encoder_has_the_published_size(variant, millions, last):
    model = build(variant=variant)
    encoder = [x for x in model.layers if x.name.startswith(("stem", "block"))]
    weights = sum(int(np.prod(w.shape)) for x in encoder for w in x.weights)
    # The two statistics of a normalization are not counted there.
    statistics = sum(
        2 * x.gamma.shape[0]
        for x in encoder
        if isinstance(x, keras.layers.BatchNormalization)
    )
    classifier = last * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    counted = (weights - statistics + classifier) / 1e6
    assert counted == pytest.approx(millions, abs=0.06)


def test_blocks_by_variant():
    def blocks(variant):
        names = [layer.name for layer in build(variant=variant).layers]
        return sum(name.endswith("_depthwise") for name in names)

    assert [blocks(0), blocks(1), blocks(2)] == [16, 21, 21]


def test_the_decoder_merges_each_halving():
    model = build()
    strides = [
        64 // model.get_layer(f"decoder_{level}_concat").output.shape[1]
        for level in (4, 3, 2, 1)
    ]
    assert strides == [16, 8, 4, 2]
    assert model.get_layer("block_19_project").output.shape[1:3] == (2, 3)


def test_dropout_can_be_left_out():
    names = [layer.name for layer in build(dropout=0.0).layers]
    assert "bottleneck_dropout" not in names
    assert "bottleneck_dropout" in [layer.name for layer in build().layers]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": 3}, "variant must be 0, 1 or 2, got 3"),
        ({"weights": "coco"}, "weights must be \"imagenet\" or None, got 'coco'"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)
