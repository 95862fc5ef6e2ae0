"""The records of a run folder as frozen data, checked when they are read.

The shapes follow the JSON files that measuring writes. Shares lie in 0 to 1, `None`
stands where a number is undefined (a class without pixels) or was not measured.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from segshrink.records.record import Record

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Channel = Annotated[int, Field(ge=0, le=255)]


class Role(StrEnum):
    """What a file is compared as.

    The two baselines are the student's architecture trained without a teacher, and the
    teacher with its weights masked but not removed. Files and records on disk name
    them by their values.
    """

    TEACHER = "teacher"
    MASKS_ONLY = "masked"
    NO_TEACHER = "alone"
    STUDENT = "student"


class Size(Record):
    """Bytes of a file, as it lies on disk and after gzip at level 9."""

    size_bytes: Annotated[int, Field(gt=0)]
    gzipped_bytes: Annotated[int, Field(gt=0)]
    sha256: str = ""


class ModelFacts(Record):
    """Parameters and multiply-accumulates of one image of `input_shape`."""

    parameters: Count | None = None
    macs: Count | None = None
    input_shape: tuple[int, ...] = ()


class Latency(Record):
    """Time of one call over interleaved rounds, in milliseconds.

    `spread_doubtful` is measuring's word that the rounds differ too much to trust.
    """

    threads: Annotated[int, Field(ge=1)]
    median_ms: Milliseconds
    p25_ms: Milliseconds
    p75_ms: Milliseconds
    rounds: Count = 0
    batch: int = 1
    min_ms: Milliseconds | None = None
    spread_doubtful: bool = False

    @property
    def spread(self) -> float:
        """Quartile range over median; 0 is a perfectly steady machine."""
        return (self.p75_ms - self.p25_ms) / self.median_ms


class ClassQuality(Record):
    """Scores of one class over all scored pixels of a part."""

    name: str
    pixels: Count = 0
    precision: Share | None = None
    recall: Share | None = None
    iou: Share | None = None
    dice: Share | None = None
    average_precision: Share | None = None


class Curve(Record):
    """Precision over recall of one class, point by point."""

    precision: tuple[Share | None, ...]
    recall: tuple[Share | None, ...]


class Quality(Record):
    """Scores of one file on one part of the data."""

    part: str
    images: Count = 0
    pixels: Count = 0
    void_pixels: Count = 0
    pixel_accuracy: Share | None = None
    precision: Share | None = None
    recall: Share | None = None
    mean_iou: Share | None = None
    mean_dice: Share | None = None
    mean_average_precision: Share | None = None
    classes: tuple[ClassQuality, ...] = ()
    curves: Mapping[str, Curve] = Field(default_factory=dict)


class SplitFacts(Record):
    """Which scenes were on which side, and who decided so."""

    source: str = "unknown"
    train: tuple[str, ...] = ()
    val: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    leaking: bool = False

    def scenes(self, part: str) -> tuple[str, ...]:
        """Scenes of the part named `train`, `val` or `test`."""
        return {"train": self.train, "val": self.val, "test": self.test}.get(part, ())

    def leaks_into(self, part: str) -> bool:
        """Whether training saw scenes that `part` scores."""
        shared = part != "train" and set(self.train) & set(self.scenes(part))
        return self.leaking or bool(shared)


class DataFacts(Record):
    """Which data a file was scored on."""

    name: str = "unknown"
    split: SplitFacts = SplitFacts()
    tile_px: int | None = None


class Machine(Record):
    """Where the measuring ran."""

    processor: str = "unknown processor"
    int8_dot_products: bool | None = None
    cores: int | None = None
    system: str = ""
    python: str = ""


class Export(Record):
    """How a file came to be: `remedy` is what kept its loss within the limit."""

    drop: float | None = None
    remedy: str | None = None
    float_layers: tuple[str, ...] | None = None


class Measurement(Record):
    """Everything measured of one file in its own runtime."""

    name: Annotated[str, Field(min_length=1)]
    role: Role
    file: str
    format: str
    precision: str
    runtime: str
    runtime_version: str = ""
    size: Size | None = None
    model: ModelFacts = ModelFacts()
    latency: Latency | None = None
    quality: Quality | None = None
    data: DataFacts = DataFacts()
    seed: int | None = None
    machine: Machine = Machine()
    segshrink: str = ""
    export: Export = Export()

    @property
    def mean_iou(self) -> float | None:
        """Mean IoU over classes, in 0 to 1, where it was measured."""
        return self.quality.mean_iou if self.quality else None


class ClassColor(Record):
    """A class and its colour in masks, red, green and blue in 0 to 255."""

    name: str
    color: tuple[Channel, Channel, Channel]
