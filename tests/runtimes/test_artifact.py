"""Where the channels of a file are, from the shapes of its input and output."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from segshrink.errors import ModelError
from segshrink.runtimes.artifact import (
    Signature,
    checked_signature,
    predicted,
    window_shape,
)

LAST, FIRST = (1, 16, 24, 3), (1, 3, 16, 24)


@pytest.mark.parametrize(
    ("image", "logits", "classes", "takes_first", "gives_first"),
    [
        (LAST, (1, 16, 24, 5), 5, False, False),
        (FIRST, (1, 5, 16, 24), 5, True, True),
        (FIRST, (1, 16, 24, 5), 5, True, False),
        (LAST, (1, 5, 16, 24), 5, False, True),
        # A size of the batch that is not fixed, as PyTorch, Keras and LiteRT tell it.
        (("batch", 3, 16, 24), ("batch", 5, 16, 24), 5, True, True),
        ((None, 16, 24, 3), (None, 16, 24, 5), 5, False, False),
        ((-1, 3, 16, 24), (-1, 5, 16, 24), 5, True, True),
        # As many classes as pixels on a side: as the image goes in.
        ((1, 8, 8, 3), (1, 8, 8, 8), 8, False, False),
        ((1, 3, 8, 8), (1, 8, 8, 8), 8, True, True),
        # The shorter axis has the bands, the last one if both are alike.
        ((1, 16, 24, 4), (1, 16, 24, 5), 5, False, False),
        ((1, 4, 16, 24), (1, 5, 16, 24), 5, True, True),
        ((1, 1, 16, 24), (1, 5, 16, 24), 5, True, True),
        ((1, 8, 8, 8), (1, 8, 8, 5), 5, False, False),
    ],
)
def test_channels_are_found(image, logits, classes, takes_first, gives_first):
    signature = checked_signature(Path("m.onnx"), image, logits)
    assert signature.num_classes == classes
    assert signature.takes_channels_first == takes_first
    assert signature.gives_channels_first == gives_first
    height, width = signature.input_shape
    bands = signature.num_bands
    assert {height, width, bands} == set(image[1:])
    values = np.arange(height * width * bands).reshape(height, width, bands)
    given = signature.as_input(values)
    assert given.shape[1:] == image[1:]
    pixel = given[0, :, 2, 5] if takes_first else given[0, 2, 5]
    np.testing.assert_array_equal(pixel, values[2, 5])
    output = np.random.default_rng(0).normal(size=(1, *logits[1:]))
    pixel = output[0, :, 2, 5] if gives_first else output[0, 2, 5]
    np.testing.assert_array_equal(signature.as_logits(output)[2, 5], pixel)


@pytest.mark.parametrize(
    "image", [(1, 16, 24), (2, 3, 16, 24), (1, 33, 40, 40), (1, 3, "height", "width")]
)
def test_other_inputs_are_refused(image):
    with pytest.raises(ModelError, match=r"one image .*\(1, bands, height, width\)"):
        checked_signature(Path("m.onnx"), image, (1, 5, 16, 24))


@pytest.mark.parametrize(
    "logits", [(1, 16, 24), (1, 5, 4, 6), (2, 5, 16, 24), (1, "classes", 16, 24)]
)
def test_other_outputs_are_refused(logits):
    with pytest.raises(ModelError, match=r"logits \(1, 16, 24, classes\) or \(1, cl"):
        checked_signature(Path("m.onnx"), FIRST, logits)


@pytest.mark.parametrize(
    ("image", "window"),
    [
        ((None, None, None, 3), (1, 256, 256, 3)),
        (("batch", 3, "height", "width"), (1, 3, 256, 256)),
        ((1, 96, None, 3), (1, 96, 256, 3)),
        ((1, 96, 128, 3), None),
        ((1, None, None, None), None),
        ((1, None, 3), None),
    ],
)
def test_open_sizes_become_those_of_a_window(image, window):
    assert window_shape(image) == window


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_told(value):
    output = np.zeros((1, 4, 6, 2), np.float32)
    output[0, 1, 2, 1] = value
    artifact = SimpleNamespace(
        path=Path("m.onnx"),
        input_shape=(4, 6),
        num_bands=3,
        num_classes=2,
        signature=Signature((4, 6), 3, 2, False, False),
        run=lambda image: output,
    )
    with pytest.raises(ModelError, match="m.onnx: gives values that are not numbers"):
        predicted(artifact, np.zeros((1, 4, 6, 3), np.uint8))
