"""Interface of every runtime: a file that turns images into logits."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from segshrink.errors import ModelError, UsageError, first_line
from segshrink.formats import WINDOW_PX, Format, InputRange
from segshrink.records.bands import MOST_BANDS
from segshrink.records.metadata import FileMetadata
from segshrink.runtimes.outputs import OutputKind, as_logits

# 8192 x 8192: tiles are far smaller, and logits have many channels.
MOST_PIXELS = 1 << 26
_MOST_CLASSES = 254


class Artifact(Protocol):
    """A model file, opened by its own runtime.

    Attributes:
        path: the file.
        runtime: format of the file, which names its runtime too.
        runtime_version: version of the runtime, such as `"2.1.0"`.
        threads: threads that one prediction may compute with.
        input_shape: height and width in pixels of the images it takes.
        num_bands: bands of the images it takes, 3 for RGB.
        num_classes: number of logits per pixel.
        signature: the images that the file itself takes, and what it gives.
        metadata: classes, data and scores that the file carries; see
            `segshrink.export.read_metadata`. None if it carries none.
    """

    signature: "Signature"
    metadata: FileMetadata | None

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
    def num_bands(self) -> int: ...  # noqa: D102
    @property
    def num_classes(self) -> int: ...  # noqa: D102

    def run(self, image: np.ndarray) -> np.ndarray:
        """Run the file once.

        Args:
            image: `signature.as_input` of an image.

        Returns:
            Its output for `signature.as_logits`, float32 or uint8 classes.
        """
        ...

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Compute the logits of a batch of any size.

        A file that gives classes alone gives 1 for the class of the pixel and 0 for all
        others.

        Args:
            images: 0-255, uint8 or float, `(batch, height, width, num_bands)` of
                exactly `input_shape`. The images are run one after the other.

        Returns:
            float32 `(batch, height, width, num_classes)`, not normalized.

        Raises:
            UsageError: for images of another shape or type.
        """
        ...


def checked_images(
    images: np.ndarray, input_shape: tuple[int, int], num_bands: int
) -> np.ndarray:
    """Check the images of a batch and convert them to float32.

    Raises:
        UsageError: unless they are uint8 or float `(batch, *input_shape, num_bands)`.
    """
    images = np.asarray(images)
    expected = (*input_shape, num_bands)
    if images.ndim != 4 or images.shape[1:] != expected:
        raise UsageError(
            f"images must be (batch, {', '.join(map(str, expected))}), got "
            f"{images.shape}. For images of another size use predict_image."
        )
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise UsageError(f"images must be uint8 or float, got {images.dtype}.")
    return np.ascontiguousarray(images, dtype=np.float32)


def predicted(artifact: Artifact, images: np.ndarray) -> np.ndarray:
    """Logits of a batch, image after image; see `Artifact.predict`."""
    images = checked_images(images, artifact.input_shape, artifact.num_bands)
    signature = artifact.signature
    logits = np.empty((*images.shape[:3], artifact.num_classes), np.float32)
    for index, image in enumerate(images):
        with running(artifact.path):
            given = artifact.run(signature.as_input(image))
            logits[index] = signature.as_logits(given)
        if not np.isfinite(logits[index].max(initial=0)):
            raise ModelError(
                f"{artifact.path}: gives values that are not numbers, or infinite. "
                "Look at its weights, and export it again."
            )
    return logits


@contextmanager
def running(path: Path) -> Iterator[None]:
    """Tell a runtime's own errors with the name of the file that it runs.

    Raises:
        ModelError: for whatever the block raises.
    """
    try:
        yield
    # The runtimes' errors have no common base but Exception.
    except Exception as error:
        raise ModelError(
            f"{path}: cannot be run ({first_line(error)}). Export it again."
        ) from error


def in_range(images: np.ndarray, of: InputRange) -> np.ndarray:
    """Images 0-255 in the range that a model takes.

    Args:
        images: `(..., bands)`, uint8 or float.
        of: the range; `imagenet` and `caffe` are for RGB.

    Returns:
        float32 of the same shape.
    """
    pixels = np.asarray(images, np.float32)
    if of is InputRange.BYTES:
        return pixels
    if of.is_reversed:
        pixels = pixels[..., ::-1]
    scale, offset = np.asarray(of.scale), np.asarray(of.offset)
    if pixels.shape[-1] != len(scale):  # the same for each band
        scale, offset = scale[:1], offset[:1]
    return (pixels * scale + offset).astype(np.float32)


@dataclass(frozen=True)
class Signature:
    """The images that a file takes and the logits that it gives, one image at a time.

    Attributes:
        input_shape: height and width in pixels.
        num_bands: bands of an image.
        takes_channels_first: whether images go in as `(1, bands, height, width)`, as
            models of PyTorch take them, and not as `(1, height, width, bands)`.
        gives_channels_first: the same of the logits.
        num_channels: channels of the output.
        input_range: range of the images that the file takes.
        output: what the channels are; None gives them as they are.
        is_window: whether the file takes images of any size, of which `input_shape` is
            the size of the windows that are predicted.
        head: the output that was chosen, of a file that has several.
        architecture_sha256: of the Python file that built the model, if one did.
    """

    input_shape: tuple[int, int]
    num_bands: int
    num_channels: int
    takes_channels_first: bool
    gives_channels_first: bool
    input_range: InputRange = InputRange.BYTES
    output: OutputKind | None = OutputKind.LOGITS
    is_window: bool = False
    head: str | None = None
    architecture_sha256: str | None = None

    @property
    def num_classes(self) -> int:
        """Number of logits per pixel; a single channel tells two classes apart."""
        return max(2, self.num_channels)

    def as_input(self, image: np.ndarray) -> np.ndarray:
        """An image 0-255 `(height, width, bands)` as the file takes it."""
        image = in_range(image, self.input_range)
        if self.takes_channels_first:
            image = np.ascontiguousarray(np.moveaxis(image, 2, 0))
        return image[None]

    def as_logits(self, output: np.ndarray) -> np.ndarray:
        """The output of the file for one image as logits `(height, width, classes)`."""
        if self.output is OutputKind.CLASSES:
            scores: np.ndarray = np.eye(self.num_channels, dtype=np.float32)[output[0]]
            return scores
        given = np.moveaxis(output[0], 0, 2) if self.gives_channels_first else output[0]
        return given if self.output is None else as_logits(given, self.output)


def window_shape(input_shape: tuple) -> tuple[int, ...] | None:
    """The shape of one window, where height or width of an input are open.

    Args:
        input_shape: as `checked_signature` takes it.

    Returns:
        `(1, ...)` with `WINDOW_PX` for each open size; None if none is open.
    """
    sizes = _sizes(input_shape)
    first = len(sizes) == 3 and _is_shorter(sizes[0], sizes[2])
    pixels, bands = (sizes[1:], sizes[:1]) if first else (sizes[:2], sizes[2:])
    if None not in pixels or None in bands or not bands:
        return None
    return (1, *(WINDOW_PX if size is None else size for size in sizes))


def window_note(artifact: Artifact) -> str | None:
    """A sentence about the size of the windows that were chosen; None for a fixed one.

    Args:
        artifact: an opened model file.
    """
    if not artifact.signature.is_window:
        return None
    height_px, width_px = artifact.input_shape
    return (
        f"{artifact.path}: the size of its images is open; it predicts windows of "
        f"{height_px} x {width_px} pixels. For others, give it a size with --size of "
        "`segshrink export`."
    )


def checked_signature(path: Path, input_shape: tuple, output_shape: tuple) -> Signature:
    """The signature of a file for one image at a time.

    A size of the batch that is not fixed is taken as 1. The bands of an image are its
    shortest axis, first or last, at most `MOST_BANDS`; the classes of the output are
    where the rest is the size of the image.

    Raises:
        ModelError: unless the input is `(1, height, width, bands)` or `(1, bands,
            height, width)` and the output is of one of these forms and of the same
            size, with at most 254 classes.
    """
    sizes = _sizes(input_shape)
    takes_first = len(sizes) == 3 and _is_shorter(sizes[0], sizes[2])
    size_px = sizes[1:] if takes_first else sizes[:2]
    bands = (sizes[0] if takes_first else sizes[2]) if len(sizes) == 3 else None
    if bands is None or bands > MOST_BANDS or None in size_px:
        raise ModelError(
            f"{path}: the input must be one image 0-255 of fixed size, (1, height, "
            f"width, bands) or (1, bands, height, width), with 3 bands for RGB and at "
            f"most {MOST_BANDS}, got {tuple(input_shape)}. Export the model with a "
            "fixed size; segshrink export does."
        )
    given = _sizes(output_shape)
    is_first, is_last = given[1:] == size_px, given[:2] == size_px
    if len(given) != 3 or None in given or not (is_first or is_last):
        height, width = size_px
        raise ModelError(
            f"{path}: the output must be logits (1, {height}, {width}, classes) or "
            f"(1, classes, {height}, {width}), got {tuple(output_shape)}. It is not a "
            "segmentation model of this form."
        )
    num_pixels = math.prod(size_px)
    if num_pixels > MOST_PIXELS:
        raise ModelError(
            f"{path}: takes images of {' x '.join(map(str, size_px))} pixels, which is "
            "more than any is opened for. Export the model for smaller images."
        )
    # As many classes as pixels on a side fit both forms: the input then decides.
    gives_first = is_first and (takes_first or not is_last)
    num_channels = given[0] if gives_first else given[2]
    if num_channels > _MOST_CLASSES:
        raise ModelError(
            f"{path}: gives {num_channels} classes, but a mask of 8 bits holds at most "
            f"{_MOST_CLASSES}, beside pixels without class or label."
        )
    return Signature(size_px, bands, num_channels, takes_first, gives_first)


def _is_shorter(first: int | None, last: int | None) -> bool:
    return first is not None and (last is None or first < last)


def _sizes(shape: tuple) -> tuple:
    """Sizes of one image, None where they are not fixed; empty for other tensors."""
    if len(shape) != 4 or (isinstance(shape[0], int) and shape[0] not in (1, -1)):
        return ()
    return tuple(n if isinstance(n, int) and n > 0 else None for n in shape[1:])
