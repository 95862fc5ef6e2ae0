"""Outputs of files from elsewhere as logits."""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.export import export_model
from segshrink.runtimes import load_artifact
from segshrink.runtimes.outputs import OutputKind, as_logits, output_kind

LOGITS = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)


def softmax(values):
    exponents = np.exp(values)
    return exponents / exponents.sum(-1, keepdims=True)


def test_a_softmax_of_the_logits_is_what_was_given():
    found = as_logits(softmax(LOGITS), OutputKind.SOFTMAX)
    np.testing.assert_allclose(softmax(found), softmax(LOGITS), rtol=1e-5)


@pytest.mark.parametrize("kind", [OutputKind.SIGMOID, OutputKind.LOGITS])
def test_a_single_channel_gives_two_classes(kind):
    single = LOGITS[..., :1]
    given = 1 / (1 + np.exp(-single)) if kind is OutputKind.SIGMOID else single
    found = as_logits(given, kind)
    assert found.shape == (4, 5, 2)
    np.testing.assert_allclose(found[..., 1:], single, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(found[..., 0], 0)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (LOGITS, OutputKind.LOGITS),
        (softmax(LOGITS), OutputKind.SOFTMAX),
        (np.round(softmax(LOGITS) * 256) / 256, OutputKind.SOFTMAX),
        (softmax(LOGITS)[..., :1], OutputKind.SIGMOID),
        (LOGITS[..., :1], OutputKind.LOGITS),
    ],
)
def test_the_kind_is_found_by_trying(given, kind):
    assert output_kind(lambda images: given[None], (8, 8, 3)) is kind


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid", None])
def test_a_file_from_elsewhere(tmp_path, suffix, activation):
    keras.utils.set_random_seed(0)
    images = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 255)(images)
    channels = 1 if activation == "sigmoid" else 3
    outputs = layers.Conv2D(channels, 3, padding="same", activation=activation)(x)
    model = keras.Model(images, outputs)
    export_model(
        model, tmp_path / f"m{suffix}", format={".tflite": "litert"}.get(suffix, "onnx")
    )
    pixels = np.random.default_rng(1).integers(0, 256, (1, 16, 16, 3)).astype(np.uint8)
    artifact = load_artifact(tmp_path / f"m{suffix}")
    logits = artifact.predict(pixels)
    given = np.asarray(model(pixels.astype(np.float32)))
    assert artifact.num_classes == logits.shape[-1] == max(2, channels)
    if activation == "softmax":
        np.testing.assert_allclose(softmax(logits), given, atol=1e-4)
    elif activation == "sigmoid":
        np.testing.assert_allclose(softmax(logits)[..., 1:], given, atol=1e-4)
    else:
        np.testing.assert_allclose(logits, given, atol=1e-4)
