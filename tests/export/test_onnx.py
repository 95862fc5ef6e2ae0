"""Conversion to ONNX."""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.export.onnx import write_onnx


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
