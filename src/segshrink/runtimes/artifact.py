"""Interface of every runtime: a file that turns images into logits."""

from pathlib import Path
from typing import Protocol

import numpy as np

from segshrink.errors import ModelError, UsageError
from segshrink.formats import Format
from segshrink.records.metadata import FileMetadata


class Artifact(Protocol):
    """A model file, opened by its own runtime.

    Attributes:
        path: the file.
        runtime: format of the file, which names its runtime too.
        runtime_version: version of the runtime, such as `"2.1.0"`.
        threads: threads that one prediction may compute with.
        input_shape: height and width in pixels of the images it takes.
        num_classes: number of logits per pixel.
        metadata: classes, data and scores that the file carries; see
            `segshrink.export.read_metadata`. None if it carries none.
    """

    @property
    def path(self) -> Path: ...  # noqa: D102
    @property
    def runtime(self) -> Format: ...  # noqa: D102
    @property
    def runtime_version(self) -> str: ...  # noqa: D102
    @property
    def threads(self) -> int: ...  # noqa: D102
    @property
    def input_shape(self) -> tuple[int, int]: ...  # noqa: D102
    @property
    def num_classes(self) -> int: ...  # noqa: D102
    @property
    def metadata(self) -> FileMetadata | None: ...  # noqa: D102

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Compute the logits of a batch of any size.

        Args:
            images: RGB 0-255, uint8 or float, `(batch, height, width, 3)` of exactly
                `input_shape`. The images are run one after the other.

        Returns:
            float32 `(batch, height, width, num_classes)`, not normalized.

        Raises:
            UsageError: for images of another shape or type.
        """
        ...


def checked_images(images: np.ndarray, input_shape: tuple[int, int]) -> np.ndarray:
    """Check the images of a batch and convert them to float32.

    Raises:
        UsageError: unless they are uint8 or float `(batch, *input_shape, 3)`.
    """
    images = np.asarray(images)
    expected = (*input_shape, 3)
    if images.ndim != 4 or images.shape[1:] != expected:
        raise UsageError(
            f"images must be (batch, {', '.join(map(str, expected))}), got "
            f"{images.shape}. For images of another size use predict_image."
        )
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise UsageError(f"images must be uint8 or float, got {images.dtype}.")
    return np.ascontiguousarray(images, dtype=np.float32)


def checked_signature(
    path: Path, input_shape: tuple, output_shape: tuple
) -> tuple[tuple[int, int], int]:
    """Height and width, and number of classes, of a file for one image at a time.

    Raises:
        ModelError: unless the input is `(1, height, width, 3)` and the output
            `(1, height, width, classes)`.
    """
    if not _is_one_image(input_shape) or input_shape[3] != 3:
        raise ModelError(
            f"{path}: the input must be one RGB image (1, height, width, 3) of fixed "
            f"size, got {tuple(input_shape)}. Export the model with segshrink export."
        )
    if not _is_one_image(output_shape) or output_shape[1:3] != input_shape[1:3]:
        raise ModelError(
            f"{path}: the output must be logits (1, {input_shape[1]}, "
            f"{input_shape[2]}, classes), got {tuple(output_shape)}. It is not a "
            "segmentation model of this form."
        )
    return (input_shape[1], input_shape[2]), output_shape[3]


def _is_one_image(shape: tuple) -> bool:
    return len(shape) == 4 and shape[0] == 1 and all(isinstance(n, int) for n in shape)
