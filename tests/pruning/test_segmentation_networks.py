"""The promise of pruning, on the networks that people segment with."""

import keras
import numpy as np
import pytest

from segshrink.pruning import plan_pruning

from .networks import relative_difference
from .segmentation_networks import NETWORKS, layers_that_make_classes


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    return request.param, NETWORKS[request.param]()


@pytest.fixture(scope="module")
def planned(network):
    _, model = network
    return plan_pruning(model, keep=0.5, multiple_of=2)


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


def test_half_of_every_group_leaves(network, planned):
    _, model = network
    for group in planned.groups:
        assert len(group.kept) in (group.units // 2, group.units // 2 + 1)
    assert planned.parameters_after < 0.4 * model.count_params()


def test_the_smaller_model_is_the_zeroed_one(network, planned):
    _, model = network
    smaller = planned.apply(model)
    assert smaller.count_params() == planned.parameters_after
    assert_same(smaller, planned.zero(model))


def test_the_smaller_model_is_saved_and_trains(network, planned, tmp_path):
    _, model = network
    smaller = planned.apply(model)
    smaller.save(tmp_path / "m.keras")
    assert_same(keras.models.load_model(tmp_path / "m.keras"), smaller, 1e-6)
    inputs = random_inputs(smaller)
    wanted = [np.zeros_like(output) for output in outputs_of(smaller, inputs)]
    before = [keras.ops.convert_to_numpy(w) for w in smaller.trainable_weights]
    smaller.compile(optimizer=keras.optimizers.SGD(1e-4), loss="mse")
    smaller.train_on_batch(inputs, wanted[0] if len(wanted) == 1 else wanted)
    changed = [
        np.any(keras.ops.convert_to_numpy(weight) != values)
        for weight, values in zip(smaller.trainable_weights, before, strict=True)
    ]
    # A key's bias shifts all scores alike, and tiny steps may round to none.
    assert np.mean(changed) > 0.75


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="files are made with TensorFlow"
)
@pytest.mark.parametrize("format", ["litert", "onnx"])
def test_the_smaller_model_is_exported(network, planned, tmp_path, format):
    from segshrink.export import export_model
    from segshrink.runtimes import load_artifact

    name, model = network
    if name == "two_in_two_out":
        pytest.skip("files are made of models of one image")
    smaller = planned.apply(model)
    suffix = {"litert": "tflite", "onnx": "onnx"}[format]
    path = export_model(smaller, tmp_path / f"m.{suffix}", format=format)
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
