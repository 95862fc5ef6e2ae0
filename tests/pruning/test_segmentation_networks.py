"""Pruning of the networks that people segment with.

The networks, their plans and the smaller models are built once; tests only read them.
"""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.models.calls import operations_by_path
from segshrink.pruning import FrozenChannels, plan_pruning

from .networks import relative_difference
from .segmentation_networks import (
    CLASSES,
    NETWORKS,
    SIDE,
    conv,
    deeplab,
    image,
    join,
    layers_that_make_classes,
    logits,
)


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    return request.param, NETWORKS[request.param]()


@pytest.fixture(scope="module")
def planned(network):
    _, model = network
    return plan_pruning(model, keep=0.5, multiple_of=2)


@pytest.fixture(scope="module")
def smaller(network, planned):
    _, model = network
    return planned.apply(model)


def plain_unet():
    """A U-Net in the data format that Keras is set to, unlike `build_model`'s."""
    inputs = image()
    x, skips = inputs, []
    for width in (16, 32):
        x = conv(x, width)
        skips.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = conv(x, 64)
    for width in (32, 16):
        x = layers.Conv2DTranspose(width, 2, strides=2)(x)
        x = conv(join(x, skips.pop()), width)
    return logits(inputs, x)


@pytest.fixture
def in_both_formats():
    """Builds a network for channels last and for channels first, of equal weights."""
    set_format = keras.config.set_image_data_format

    def build_both(build):
        set_format("channels_last")
        last = build()
        set_format("channels_first")
        return last, build()

    before = keras.config.image_data_format()
    yield build_both
    set_format(before)


@pytest.fixture
def channels_first():
    if keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow convolves channels first on accelerators only")
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


def random_inputs(model, count=2):
    generator = np.random.default_rng(0)
    found = [
        generator.normal(size=(count, *tensor.shape[1:])).astype("float32")
        for tensor in model.inputs
    ]
    return found[0] if len(found) == 1 else found


def outputs_of(model, inputs):
    found = keras.tree.flatten(model(inputs, training=False))
    return [keras.ops.convert_to_numpy(output) for output in found]


def assert_same(model, other, limit=1e-4):
    inputs = random_inputs(model)
    pairs = zip(outputs_of(model, inputs), outputs_of(other, inputs), strict=True)
    for found, expected in pairs:
        assert relative_difference(found, expected) < limit


def widths(model):
    """Output channels of the convolutions and dense layers that a user wrote."""
    operations = operations_by_path(model).items()
    found = {
        path: getattr(operation, "filters", getattr(operation, "units", None))
        for path, operation in operations
    }
    return {path: width for path, width in found.items() if width is not None}


def test_half_of_every_group_leaves(network, planned):
    _, model = network
    for group in planned.groups:
        assert len(group.kept) in (group.units // 2, group.units // 2 + 1)
    assert planned.parameters_after < 0.4 * model.count_params()


def test_the_smaller_model_is_the_zeroed_one(network, planned, smaller):
    _, model = network
    assert smaller.count_params() == planned.parameters_after
    assert_same(smaller, planned.zero(model))


def test_the_smaller_model_is_saved_and_trains(smaller, tmp_path):
    smaller.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert_same(loaded, smaller, 1e-6)
    inputs = random_inputs(loaded)
    wanted = [np.zeros_like(output) for output in outputs_of(loaded, inputs)]
    before = [keras.ops.convert_to_numpy(w) for w in loaded.trainable_weights]
    loaded.compile(optimizer=keras.optimizers.SGD(1e-4), loss="mse")
    loaded.train_on_batch(inputs, wanted[0] if len(wanted) == 1 else wanted)
    changed = [
        np.any(keras.ops.convert_to_numpy(weight) != values)
        for weight, values in zip(loaded.trainable_weights, before, strict=True)
    ]
    # A key's bias shifts all scores alike, and tiny steps may round to none.
    assert np.mean(changed) > 0.75


def test_every_layer_but_those_of_the_outputs_loses_channels(network):
    _, model = network
    # One of two heads leaves only where counts need not be even.
    plan = plan_pruning(model, keep=0.5, multiple_of=1)
    outputs = layers_that_make_classes(model)
    assert outputs
    assert {frozen.layer for frozen in plan.frozen} == outputs
    whole = {layer.name for layer in plan.layers if len(layer.kept) == layer.channels}
    assert whole == outputs


def test_no_convolution_or_dense_layer_escapes_the_plan(network, smaller):
    _, model = network
    before, after = widths(model), widths(smaller)
    assert before.keys() == after.keys()
    whole = {path for path, width in before.items() if after[path] == width}
    assert whole == layers_that_make_classes(model)
    assert all(after[path] <= width for path, width in before.items())


def test_half_of_the_units_at_default_settings(network):
    _, network = network
    plan = plan_pruning(network, keep=0.5)
    smaller = plan.apply(network)
    assert smaller.count_params() == plan.parameters_after
    assert smaller.count_params() < 0.6 * network.count_params()
    for group in plan.groups:
        kept = len(group.kept)
        if group.units <= 8:
            assert kept == group.units
        else:
            assert kept % 8 == 0 and abs(kept - group.units / 2) <= 4
    assert_same(smaller, plan.zero(network))


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="files are made with TensorFlow"
)
@pytest.mark.parametrize("format", ["litert", "onnx"])
def test_the_smaller_model_is_exported(network, smaller, tmp_path, format):
    from segshrink.export import export_model
    from segshrink.formats import Format
    from segshrink.runtimes import load_artifact

    name, _ = network
    if name == "two_in_two_out":
        pytest.skip("only models of one image are exported")
    suffix = Format(format).suffix
    path = export_model(smaller, tmp_path / f"m{suffix}", format=format)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    expected = outputs_of(smaller, images.astype("float32"))[0]
    found = load_artifact(path).predict(images)
    assert relative_difference(found, expected) < 1e-3


@pytest.mark.parametrize(
    "name", ["unet_plus_plus", "deeplab", "lr_aspp", "fast_scnn", "nested", "shared"]
)
def test_channels_first(channels_first, name):
    model = NETWORKS[name]()
    plan = plan_pruning(model, keep=0.5, multiple_of=2)
    frozen = {channels.layer for channels in plan.frozen}
    assert frozen == layers_that_make_classes(model)
    smaller = plan.apply(model)
    assert smaller.count_params() < 0.4 * model.count_params()
    assert_same(smaller, plan.zero(model))


@pytest.mark.parametrize("build", [plain_unet, deeplab])
def test_the_same_channels_leave_in_both_formats(in_both_formats, build):
    last, first = in_both_formats(build)
    assert first.output_shape == (None, CLASSES, SIDE, SIDE)
    of_last, of_first = (plan_pruning(model, keep=0.5) for model in (last, first))
    kept = [group.kept for group in of_last.groups]
    assert kept == [group.kept for group in of_first.groups]
    assert of_first.frozen == (FrozenChannels("logits", CLASSES, "model output"),)
    assert of_first.parameters_after == of_last.parameters_after
    assert of_first.parameters_after < 0.6 * first.count_params()


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow",
    reason="TensorFlow convolves channels first on accelerators only",
)
@pytest.mark.parametrize("build", [plain_unet, deeplab])
def test_the_smaller_models_of_both_formats_agree(in_both_formats, build):
    last, first = in_both_formats(build)
    smaller = plan_pruning(first, keep=0.5).apply(first)
    assert_same(smaller, plan_pruning(first, keep=0.5).zero(first))
    inputs = random_inputs(smaller)
    expected = outputs_of(
        plan_pruning(last, keep=0.5).apply(last), np.moveaxis(inputs, 1, -1)
    )[0]
    found = np.moveaxis(outputs_of(smaller, inputs)[0], 1, -1)
    assert relative_difference(found, expected) < 1e-4
