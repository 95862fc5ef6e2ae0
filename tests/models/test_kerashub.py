"""Models of KerasHub, with random weights: plain, planned, cut, saved and reloaded."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from segshrink.models import custom_layers, load_model, plain_model, save_model
from segshrink.pruning import plan_pruning

keras_hub = pytest.importorskip("keras_hub")
SHAPE = (32, 32, 3)
_RELOAD = """
import sys
sys.modules["segshrink"] = sys.modules["keras_hub"] = None
import keras, numpy as np
model = keras.models.load_model(sys.argv[1] + "/smaller.keras")
found = model(np.load(sys.argv[1] + "/images.npy"), training=False)
np.save(sys.argv[1] + "/found.npy", keras.ops.convert_to_numpy(found))
"""


def resnet():
    return keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64, 64],
        stackwise_num_blocks=[1, 1, 1],
        stackwise_num_strides=[1, 2, 2],
        block_type="basic_block",
        use_pre_activation=False,
        image_shape=SHAPE,
    )


def deeplab():
    backbone = keras_hub.models.DeepLabV3Backbone(
        image_encoder=resnet(),
        low_level_feature_key="P2",
        spatial_pyramid_pooling_key="P4",
        upsampling_size=4,
        dilation_rates=[2, 3],
        image_shape=SHAPE,
    )
    return keras_hub.models.DeepLabV3ImageSegmenter(
        backbone=backbone, num_classes=4, preprocessor=None
    )


def segformer():
    encoder = keras_hub.models.MiTBackbone(
        layerwise_depths=[1, 1],
        num_layers=2,
        layerwise_num_heads=[1, 2],
        layerwise_patch_sizes=[7, 3],
        layerwise_strides=[4, 2],
        layerwise_sr_ratios=[2, 1],
        max_drop_path_rate=0.1,
        hidden_dims=[16, 32],
        image_shape=SHAPE,
    )
    return keras_hub.models.SegFormerImageSegmenter(
        backbone=keras_hub.models.SegFormerBackbone(
            image_encoder=encoder, projection_filters=16
        ),
        num_classes=4,
    )


def vit():
    backbone = keras_hub.models.ViTBackbone(
        image_shape=SHAPE,
        patch_size=8,
        num_layers=1,
        num_heads=4,
        hidden_dim=32,
        mlp_dim=64,
    )
    return keras_hub.models.ViTImageClassifier(
        backbone=backbone, num_classes=4, preprocessor=None
    )


BUILDERS = {"resnet": resnet, "deeplab": deeplab, "segformer": segformer, "vit": vit}


@pytest.fixture(params=BUILDERS)
def model(request):
    model = BUILDERS[request.param]()
    random = np.random.default_rng(0)
    for weight in model.weights:
        if len(weight.shape) == 1 and "variance" not in weight.path:
            values = keras.ops.convert_to_numpy(weight)
            weight.assign(values + random.normal(0, 0.1, values.shape))
    return model


def outputs(model):
    images = np.random.default_rng(1).uniform(size=(2, *SHAPE)).astype("float32")
    return keras.ops.convert_to_numpy(model(images, training=False)), images


def relative(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


def test_it_becomes_a_plain_model_that_computes_the_same(model):
    plain = plain_model(model)
    assert custom_layers(plain) == ()
    assert plain.count_params() == model.count_params()
    assert relative(outputs(plain)[0], outputs(model)[0]) < 1e-6


def test_it_is_cut_exactly_and_reloads_without_its_package(model, tmp_path):
    before = model.get_weights()
    plan = plan_pruning(model, keep=0.5, multiple_of=1)
    smaller = plan.apply(model)
    found, images = outputs(smaller)
    assert relative(found, outputs(plan.zero(model))[0]) < 1e-4
    assert smaller.count_params() == plan.parameters_after < plan.parameters_before
    assert plan.custom_layers == ()
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    save_model(smaller, tmp_path / "smaller.keras")
    np.save(tmp_path / "images.npy", images)
    subprocess.run([sys.executable, "-c", _RELOAD, str(tmp_path)], check=True)
    assert relative(np.load(tmp_path / "found.npy"), found) < 1e-6


def test_only_model_outputs_are_frozen(model):
    plan = plan_pruning(model, keep=0.5, multiple_of=1)
    assert {kept.reason for kept in plan.frozen} == {"model output"}


def test_its_file_loads_as_a_plain_model(tmp_path):
    model = segformer()
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert custom_layers(loaded) == ()
    assert relative(outputs(loaded)[0], outputs(model)[0]) < 1e-6
