"""Sizes of images that a model takes."""

import keras
import pytest

from segshrink.errors import ModelError
from segshrink.models import tile_px_of
from segshrink.models.input_size import check_input_shape


def model_of(height, width):
    images = keras.Input((height, width, 3))
    return keras.Model(images, keras.layers.Conv2D(2, 1)(images), name="net")


def test_the_tile_size_is_the_side_of_the_input():
    assert tile_px_of(model_of(32, 32)) == 32


@pytest.mark.parametrize("shape", [(32, 64), (None, None)])
def test_other_inputs_are_refused(shape):
    with pytest.raises(ModelError, match="net: is trained on square tiles .*got "):
        tile_px_of(model_of(*shape))


def test_a_size_that_does_not_fit_names_the_next_one_that_does():
    with pytest.raises(ValueError, match="divisible by 16 .*got 40 x 64. Use 48 x 64."):
        check_input_shape((40, 64, 3), divisor=16, why="4 levels")
