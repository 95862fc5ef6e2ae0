"""Fake-quantized models compute as the files do."""

import keras
import numpy as np
import pytest

from export.tiny_models import blotchy_images
from quantization.networks import blocky_network, scaled_channels, two_convolutions
from segshrink.errors import ModelError, UsageError
from segshrink.export import Calibration, export_model
from segshrink.formats import Format
from segshrink.quantization import FakeQuantizedModel, observed_ranges
from segshrink.quantization.fake_quantization import quantized_tensors
from segshrink.quantization.fake_quantized_layers import LARGEST_WEIGHT
from segshrink.runtimes import load_artifact

IMAGES = blotchy_images(8)
FLOATS = IMAGES.astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return blocky_network()


@pytest.fixture(scope="module")
def ranges(model):
    return observed_ranges(model, IMAGES)


def test_ranges_are_the_ends_of_what_occurs(model, ranges):
    for path in ("first_relu", "up", "joined", "logits"):
        layer = keras.Model(model.inputs, model.get_layer(path).output)
        outputs = layer.predict(FLOATS, verbose=0)
        low, high = ranges[path]
        assert low == pytest.approx(outputs.min(), rel=1e-5, abs=1e-6)
        assert high == pytest.approx(outputs.max(), rel=1e-5)
    assert ranges["images"] == (IMAGES.min(), IMAGES.max())
    assert not {"first", "first_norm", "add", "dropout"} & set(ranges)


def test_percentiles_are_means_over_images(model):
    found = observed_ranges(model, IMAGES, percentile=99.0)["up"]
    layer = keras.Model(model.inputs, model.get_layer("up").output)
    outputs = layer.predict(FLOATS, verbose=0)
    expected = [[np.percentile(x, share) for x in outputs] for share in (1, 99)]
    assert found == pytest.approx(np.mean(expected, axis=1), rel=1e-4)


def test_a_format_without_int8_files_is_refused(model, ranges):
    with pytest.raises(UsageError, match=f"{', '.join(LARGEST_WEIGHT)}, got 'keras'"):
        FakeQuantizedModel(model, ranges, format="keras")


def test_in_float_it_is_the_model(model, ranges):
    quantized = FakeQuantizedModel(model, ranges)
    quantized.all_in_float()
    found = quantized.model.predict(FLOATS, verbose=0)
    np.testing.assert_allclose(
        found, model.predict(FLOATS, verbose=0), rtol=1e-4, atol=1e-5
    )


def test_it_has_the_variables_of_the_model(model, ranges):
    quantized = FakeQuantizedModel(model, ranges)
    ours = {id(variable) for variable in quantized.model.variables}
    assert {id(v) for v in model.trainable_variables} <= ours
    extra = [v for v in quantized.model.trainable_variables if "range_" in v.name]
    of_model = len(model.trainable_variables)
    assert len(quantized.model.trainable_variables) == of_model + len(extra)
    expected = ranges | {"pool": ranges["first_relu"]}
    assert set(quantized.ranges) == set(expected)
    for path, (low, high) in quantized.ranges.items():
        wide = min(expected[path][0], 0.0), max(expected[path][1], 0.0)
        assert (low, high) == pytest.approx(wide)


@pytest.mark.parametrize("format", LARGEST_WEIGHT)
def test_it_computes_as_the_file_does(format, tmp_path):
    """On a model that int8 hurts, so that agreement is not an accident."""
    keras.utils.set_random_seed(0)
    model = scaled_channels(two_convolutions(), 300.0)
    ranges = observed_ranges(model, IMAGES)
    quantized = FakeQuantizedModel(model, ranges, format)
    path = tmp_path / f"m{Format(format).suffix}"
    export_model(
        model,
        path,
        format=format,
        quantize="int8",
        calibration=Calibration(IMAGES, ranges),
    )
    expected = model.predict(FLOATS, verbose=0)
    of_file = load_artifact(path).predict(IMAGES)
    of_quantized = quantized.model.predict(FLOATS, verbose=0)
    loss = np.square(of_file - expected).mean()
    apart = np.square(of_file - of_quantized).mean()
    assert loss > 1e-5 * np.square(expected).mean()
    assert apart < 0.05 * loss


@pytest.mark.parametrize("format", ["litert", "onnx"])
def test_ranges_of_the_fake_quantized_model_are_those_of_the_file(
    model, ranges, format, tmp_path
):
    narrow = {path: (0.3 * low, 0.3 * high) for path, (low, high) in ranges.items()}
    # Converters may multiply a rescaling into the convolution that follows it.
    narrow |= {path: ranges[path] for path in ("images", "rescaling")}
    path = tmp_path / f"m{Format(format).suffix}"
    export_model(
        model,
        path,
        format=format,
        quantize="int8",
        calibration=Calibration(IMAGES, narrow),
    )
    expected = model.predict(FLOATS, verbose=0)
    of_file = load_artifact(path).predict(IMAGES)
    of_quantized = FakeQuantizedModel(model, narrow, format).model.predict(
        FLOATS, verbose=0
    )
    loss = np.abs(of_file - expected).mean()
    assert np.abs(of_file - of_quantized).mean() < 0.05 * loss
    clipped = 0.3 * max(abs(end) for end in ranges["logits"])
    assert np.abs(of_file).max() == pytest.approx(clipped, rel=0.02)


@pytest.mark.parametrize("format", ["litert", "onnx"])
def test_what_is_kept_in_float_is_so_in_both_model_and_file(
    model, ranges, format, tmp_path
):
    every = [path for path, _ in quantized_tensors(model, IMAGES[0])]
    paths = [path for path in every if path != "images"]
    expected = model.predict(FLOATS, verbose=0)
    path = tmp_path / f"m{Format(format).suffix}"
    export_model(
        model,
        path,
        format=format,
        quantize="int8",
        calibration=Calibration(IMAGES, float_tensors=paths),
    )
    quantized = FakeQuantizedModel(model, ranges)
    quantized.keep_in_float(paths)
    scale = np.abs(expected).max()
    # Whole numbers from 0 to 255 lose nothing at the input.
    for found in (load_artifact(path).predict(IMAGES), quantized.model.predict(FLOATS)):
        assert np.abs(found - expected).max() < 1e-4 * scale
    quantized.keep_in_float(())
    assert np.abs(quantized.model.predict(FLOATS) - expected).max() > 1e-3 * scale


def test_a_tensor_stays_rounded_where_an_int8_layer_reads_it(model, ranges):
    quantized = FakeQuantizedModel(model, ranges)
    quantized.keep_in_float(["up", "add_relu"])
    active = {layer.name: float(layer.active) for layer in quantized.model.layers
              if hasattr(layer, "active")}  # fmt: skip
    assert active["int8_up"] == 0 and active["int8_first"] == 1
    assert active["quantized_up"] == 0 and active["quantized_add_relu"] == 1


def test_statistics_of_normalization_are_those_of_inference_in_training(model, ranges):
    quantized = FakeQuantizedModel(model, ranges)
    before = [x.copy() for x in model.get_layer("first_norm").get_weights()]
    quantized.model.compile(keras.optimizers.SGD(0.0), loss="mse")
    quantized.model.fit(FLOATS, model.predict(FLOATS, verbose=0), verbose=0)
    for old, new in zip(
        before, model.get_layer("first_norm").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(old, new)


def test_a_model_of_unknown_calls_is_refused():
    class Subclassed(keras.Model):
        pass

    with pytest.raises(ModelError, match="only Functional and Sequential"):
        observed_ranges(Subclassed(), IMAGES)


def test_a_second_call_is_not_called_as_another_layer():
    image = keras.Input((8, 8, 3))
    twice = keras.layers.Conv2D(3, 1, name="conv2d")
    x = keras.layers.Conv2D(3, 1, name="conv2d_2")(twice(twice(image)))
    model = keras.Model(image, x)
    images = IMAGES[:2, :8, :8]
    quantized = FakeQuantizedModel(model, observed_ranges(model, images))
    quantized.all_in_float()
    np.testing.assert_allclose(
        quantized.model.predict(images.astype(np.float32), verbose=0),
        model.predict(images.astype(np.float32), verbose=0),
        rtol=1e-4,
        atol=1e-4,
    )
