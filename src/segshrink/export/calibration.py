"""How the ranges of the activations of an int8 file are settled."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Calibration:
    """Images whose activations give the ranges of an int8 file, and exceptions.

    Attributes:
        images: uint8 `(images, height, width, 3)`: images like those the model will
            see; 64 tiles of the training part are a good number.
        ranges: lowest and highest value of tensors in place of those that the images
            show, by path as in `segshrink.quantization.FakeQuantizedModel`.
        float_tensors: paths of tensors, as in `ranges`, that the file computes in
            float32; see `FakeQuantizedModel.keep_in_float`.
    """

    images: np.ndarray
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    float_tensors: Collection[str] = ()

    @property
    def has_exceptions(self) -> bool:
        """Whether anything but the images decides on a tensor."""
        return bool(self.ranges or self.float_tensors)

    def with_names(self, names: Mapping[str, Sequence[str]]) -> "Calibration":
        """The same calibration with names of tensors in a file in place of paths.

        Args:
            names: names in the file by path; tensors without a name are left out.
        """
        return Calibration(
            self.images,
            ranges={
                name: bounds
                for path, bounds in self.ranges.items()
                for name in names.get(path, ())
            },
            float_tensors=[
                name for path in self.float_tensors for name in names.get(path, ())
            ],
        )
