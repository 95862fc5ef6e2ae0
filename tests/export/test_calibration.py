"""Calibration with names of a file's tensors in place of the model's paths."""

import numpy as np

from segshrink.export import Calibration

IMAGES = np.zeros((1, 8, 8, 3), np.uint8)


def test_images_alone_have_no_exceptions():
    assert not Calibration(IMAGES).has_exceptions
    assert Calibration(IMAGES, ranges={"a": (0.0, 1.0)}).has_exceptions
    assert Calibration(IMAGES, float_tensors=["a"]).has_exceptions


def test_every_name_of_a_path_is_taken_and_a_path_without_a_name_is_left_out():
    calibration = Calibration(
        IMAGES, {"a": (0.0, 1.0), "gone": (0.0, 2.0)}, ("b", "gone")
    )
    named = calibration.with_names({"a": ["a;1", "a;2"], "b": ["b;1"]})
    assert named.images is IMAGES
    assert named.ranges == {"a;1": (0.0, 1.0), "a;2": (0.0, 1.0)}
    assert named.float_tensors == ["b;1"]
