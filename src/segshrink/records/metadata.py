"""Metadata that an exported file carries inside itself, as JSON."""

from collections.abc import Mapping

from pydantic import ConfigDict

from segshrink.records.bands import Bands
from segshrink.records.measurement import ClassColor, Count, ModelCost, Share
from segshrink.records.record import SparseRecord


class _Carried(SparseRecord):
    """Record that keeps fields which this version does not know.

    Adding scores to the file of another version then loses nothing.
    """

    model_config = ConfigDict(extra="allow")


class InputImage(_Carried):
    """The image that a file takes: its size in pixels, its channels and their range.

    `bands` says which bands of image files the channels are, and which of their values
    are 0 and 255; None for plain RGB pictures.
    """

    height: int
    width: int
    channels: str = "RGB"
    range: tuple[int | float, int | float] = (0, 255)
    bands: Bands | None = None


class TrainingData(_Carried):
    """The data that a model was trained on.

    `split` is the source of the split, `scenes` names the scenes of each part; of many
    scenes only the first.
    """

    name: str
    split: str = "unknown"
    scenes: Mapping[str, str] = {}


class Reached(_Carried):
    """Scores that a file was measured to reach on a part of the data."""

    part: str = "unknown"
    images: Count = 0
    mean_iou: Share | None = None
    pixel_accuracy: Share | None = None


class Checked(_Carried):
    """Comparison of a file with its model on tiles of a part of the data.

    `agreement` is the share of pixels with the same class, `float_layers` are the
    layers that the file computes in float32.
    """

    part: str
    tiles: Count
    mean_iou: Share | None = None
    model_mean_iou: Share | None = None
    agreement: Share | None = None
    float_layers: tuple[str, ...] = ()


class FileMetadata(_Carried):
    """Metadata of an exported file: input, output, precision, classes, data, scores.

    Every part may be missing.
    """

    segshrink: str = ""
    input: InputImage | None = None
    output: str = "logits"
    precision: str = "float32"
    model: ModelCost = ModelCost()
    classes: tuple[ClassColor, ...] = ()
    data: TrainingData | None = None
    checked: Checked | None = None
    quality: Reached | None = None


def bands_of(metadata: FileMetadata | None) -> Bands | None:
    """Bands of the images that a file takes; None if they are plain RGB, or unknown."""
    image = metadata.input if metadata else None
    return image.bands if image else None
