"""Conversion to ONNX."""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.export import export_model
from segshrink.export.onnx import write_onnx
from segshrink.runtimes import load_artifact


def test_layers_behind_a_resizing_compute_as_in_inference(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    image = keras.Input((8, 8, 3))
    x = layers.Resizing(4, 4)(layers.Conv2D(4, 1)(image))
    model = keras.Model(image, layers.Conv2D(2, 1)(layers.BatchNormalization()(x)))
    write_onnx(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    images = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype("float32")
    (found,) = session.run(None, {"image": images})
    expected = keras.ops.convert_to_numpy(model(images, training=False))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def export_error(model, tmp_path):
    """Largest difference of the ONNX and the OpenVINO file from the model."""
    images = np.random.default_rng(0).integers(0, 256, (1, 16, 24, 3)).astype("uint8")
    expected = model.predict_on_batch(images.astype("float32"))
    files = [
        export_model(model, tmp_path / "m.onnx", format="onnx"),
        export_model(model, tmp_path / "m.xml", format="openvino"),
    ]
    return max(np.abs(load_artifact(x).predict(images) - expected).max() for x in files)


@pytest.mark.parametrize("channels", [16, 8])
def test_grouped_convolutions_may_have_their_channels_first(tmp_path, channels):
    keras.utils.set_random_seed(0)
    # With 16 channels, height and channels could be mistaken for each other.
    image = keras.Input((16, 24, 3))
    x = layers.Permute((3, 1, 2))(layers.Conv2D(channels, 1)(image))
    options = {"padding": "same", "data_format": "channels_first", "groups": 2}
    x = layers.Conv2D(channels, 3, bias_initializer="normal", **options)(x)
    model = keras.Model(image, layers.Conv2D(2, 1)(layers.Permute((2, 3, 1))(x)))
    assert export_error(model, tmp_path) < 1e-2


@pytest.mark.parametrize(
    ("kernel", "strides", "padding", "output_padding"),
    [
        (3, 2, "same", 1),
        (3, 2, "valid", 1),
        (5, 2, "same", (1, 0)),
        (3, 4, "same", 2),
        (2, 2, "valid", 1),
        (2, 4, "same", None),
        (2, 3, "valid", None),
    ],
)
def test_transposed_convolutions_with_output_padding(
    tmp_path, kernel, strides, padding, output_padding
):
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 24, 3))
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(4, 3, strides=strides, padding="same")(x)
    x = layers.Conv2DTranspose(
        4, kernel, strides=strides, padding=padding, output_padding=output_padding,
        activation="relu", bias_initializer="random_normal",
    )(x)  # fmt: skip
    if x.shape[1:3] != (16, 24):
        x = layers.Resizing(16, 24)(x)
    assert export_error(keras.Model(image, layers.Conv2D(2, 1)(x)), tmp_path) < 1e-4


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("size", [(17, 25), (15, 23), (7, 11)])
def test_a_resizing_gives_the_size_that_it_states(tmp_path, size, interpolation):
    """24 of 25 columns are 23 by their ratio in float32."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 24, 3))
    x = layers.Resizing(*size)(layers.Rescaling(1 / 255)(image))
    x = layers.Conv2D(4, 3, padding="same")(x)
    x = layers.Resizing(16, 24, interpolation=interpolation)(x)
    assert export_error(keras.Model(image, layers.Conv2D(2, 1)(x)), tmp_path) < 1e-4
