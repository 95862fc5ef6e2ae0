"""Metadata that an exported file carries inside itself, as JSON."""

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field, FiniteFloat, model_validator

from segshrink.records.bands import Bands
from segshrink.records.measurement import ClassColor, Count, ModelCost, Share
from segshrink.records.record import SparseRecord

_MOST_CLASSES = 254
_MOST_DEPTH = 20
_MOST_WHOLE = 1 << 63

Side = Annotated[int, Field(ge=1, le=1 << 16)]


def _holds(value: Any, depth: int = 0) -> bool:
    """Whether plain data can be written and shown: finite, and not nested without end.

    Fields that this version does not know are carried on as they are.
    """
    if depth > _MOST_DEPTH:
        return False
    if isinstance(value, Mapping):
        return all(_holds(each, depth + 1) for each in value.values())
    if isinstance(value, list | tuple):
        return all(_holds(each, depth + 1) for each in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or abs(value) < _MOST_WHOLE


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

    height: Side
    width: Side
    channels: str = "RGB"
    range: tuple[int | FiniteFloat, int | FiniteFloat] = (0, 255)
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

    `output` is an `Output` of `segshrink.formats`; `num_classes` stands beside one that
    does not show their number. `temperature` is what the logits were divided by. Every
    part may be missing.
    """

    segshrink: str = ""
    input: InputImage | None = None
    output: str = "logits"
    num_classes: Annotated[int, Field(ge=1, le=_MOST_CLASSES)] | None = None
    temperature: Annotated[FiniteFloat, Field(gt=0)] | None = None
    precision: str = "float32"
    model: ModelCost = ModelCost()
    classes: Annotated[tuple[ClassColor, ...], Field(max_length=_MOST_CLASSES)] = ()
    data: TrainingData | None = None
    checked: Checked | None = None
    quality: Reached | None = None

    @model_validator(mode="before")
    @classmethod
    def _can_be_carried(cls, data: Any) -> Any:
        if not _holds(data):
            raise ValueError(
                f"numbers must be finite and below 2^63, and nested at most "
                f"{_MOST_DEPTH} deep"
            )
        return data


def bands_of(metadata: FileMetadata | None) -> Bands | None:
    """Bands of the images that a file takes; None if they are plain RGB, or unknown."""
    image = metadata.input if metadata else None
    return image.bands if image else None
