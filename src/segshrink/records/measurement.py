"""Records of measured files, checked when they are made and when they are read.

Shares lie in 0 to 1. None stands where a number is undefined, as for a class without
pixels, or was not measured.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field
from rich.console import Group
from rich.table import Table
from rich.text import Text

from segshrink.records.machine import Machine
from segshrink.records.record import Record, SparseRecord
from segshrink.text_table import ShownInNotebooks

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
# More than any model has, and few enough for a double to count.
Work = Annotated[int, Field(ge=0, le=10**15)]
Milliseconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Channel = Annotated[int, Field(ge=0, le=255)]
Confusion = tuple[tuple[Count, ...], ...]


class Role(StrEnum):
    """Role of a model and its files in a comparison.

    The two baselines are the student's architecture trained without a teacher, and the
    teacher with its weights masked but not removed. Files and records on disk name
    them by their values.
    """

    TEACHER = "teacher"
    MASKS_ONLY = "masked"
    NO_TEACHER = "alone"
    STUDENT = "student"


class Size(Record):
    """Bytes of a file on disk and after gzip at level 9, and its SHA-256."""

    size_bytes: Annotated[int, Field(gt=0)]
    gzipped_bytes: Annotated[int, Field(gt=0)]
    sha256: str = ""


class ModelCost(SparseRecord):
    """Parameters and multiply-accumulates of one image of `input_shape`."""

    parameters: Work | None = None
    macs: Work | None = None
    input_shape: tuple[int, ...] = ()


class Latency(SparseRecord):
    """Milliseconds that one image takes, over interleaved rounds.

    `spread_doubtful` is set where the rounds differ too much to be trusted,
    `macs_per_second` where the multiply-accumulates of the model are known.
    """

    rounds: Count = 0
    batch: int = 1
    median_ms: Milliseconds
    p25_ms: Milliseconds
    p75_ms: Milliseconds
    min_ms: Milliseconds | None = None
    spread_doubtful: bool = False
    threads: Annotated[int, Field(ge=1)]
    macs_per_second: float | None = None

    @property
    def spread(self) -> float:
        """Interquartile range over median; 0 is a perfectly steady machine."""
        return (self.p75_ms - self.p25_ms) / self.median_ms


class ClassQuality(SparseRecord):
    """Scores of one class over all valid pixels of a part."""

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


class ImageQuality(SparseRecord):
    """Scores of one image; `index` is its place in the part.

    `counts` holds the class, its true pixels, the pixels predicted as it, and those of
    them that are right, for each class that occurs; early versions did not count them.
    """

    index: Count
    image: str
    scene: str
    mean_iou: Share | None
    pixel_accuracy: Share | None
    counts: tuple[tuple[Count, Count, Count, Count], ...] = ()


class Quality(SparseRecord, ShownInNotebooks):
    """Scores of one file on one part of the data, all its images together.

    `confusion` counts pixels by true class, then by predicted class; `by_image` begins
    with the worst image. Both are empty in records of early versions.
    """

    part: str
    images: Count = 0
    pixels: Count = 0
    void_pixels: Count = 0
    pixel_accuracy: Share | None = None
    precision: Share | None = None
    recall: Share | None = None
    mean_iou: Share | None = None
    mean_dice: Share | None = None
    classes: tuple[ClassQuality, ...] = ()
    mean_average_precision: Share | None = None
    curves: Mapping[str, Curve] = Field(default_factory=dict)
    confusion: Confusion = ()
    by_image: tuple[ImageQuality, ...] = ()

    def __rich__(self) -> Group:
        """Scores by class, and over all classes."""
        table = Table("class", "pixels", "IoU", "precision", "recall", "AP")
        for each in self.classes:
            scores = (each.iou, each.precision, each.recall, each.average_precision)
            table.add_row(Text(each.name), f"{each.pixels:,}", *map(_shown, scores))
        return Group(
            table,
            f"{self.images} images of {self.part}: mean IoU {_shown(self.mean_iou)}, "
            f"pixel accuracy {_shown(self.pixel_accuracy)}",
        )


def _shown(score: float | None) -> str:
    return "-" if score is None else f"{score:.3f}"


class SplitRecord(SparseRecord):
    """Scenes of each part, and the source of the split.

    `leaking` marks the split by patches of one image, which exists for comparison only.
    """

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


class DataRecord(SparseRecord):
    """Data that a file was scored on."""

    name: str = "unknown"
    split: SplitRecord = SplitRecord()
    tile_px: int | None = None


class Agreement(SparseRecord):
    """Comparison of a file with the model that it was made from, on some images.

    `agreement` is the share of pixels with the same class. Where there are labels,
    `drop` are the points of mean IoU that the file has less than the model.
    """

    max_logit_error: float
    agreement: Share
    mean_iou: Share | None = None
    model_mean_iou: Share | None = None
    drop: float | None = None


class Export(Record):
    """How a file differs from its model on validation tiles.

    `max_logit_error` and `agreement`, the share of pixels with the same class, compare
    the outputs; `drop` are the points of mean IoU that the file has less. `remedy` says
    how that loss was kept within the limit, `float_layers` which layers an int8 file
    computes in float32.
    """

    max_logit_error: float | None = None
    agreement: Share | None = None
    drop: float | None = None
    remedy: str | None = None
    float_layers: tuple[str, ...] | None = None


class Measurement(SparseRecord):
    """Everything measured of one file in its own runtime.

    `output` is what it gives for a pixel, an `Output` of `segshrink.formats`. Latency
    is that of the file alone, which includes the search for classes only if it gives
    them.
    """

    name: Annotated[str, Field(min_length=1)]
    role: Role
    file: str
    format: str
    precision: str
    runtime: str
    runtime_version: str = ""
    output: str = "logits"
    size: Size | None = None
    model: ModelCost = ModelCost()
    latency: Latency | None = None
    quality: Quality | None = None
    data: DataRecord = DataRecord()
    seed: int | None = None
    machine: Machine = Machine()
    segshrink: str = ""
    export: Export = Export()

    @property
    def mean_iou(self) -> float | None:
        """Mean IoU over classes, in 0 to 1, where it was measured."""
        return self.quality.mean_iou if self.quality else None

    @property
    def gzipped_bytes(self) -> int | None:
        """Bytes of the file after gzip, where they were measured."""
        return self.size.gzipped_bytes if self.size else None

    @property
    def median_ms(self) -> float | None:
        """Median latency in milliseconds, where it was measured."""
        return self.latency.median_ms if self.latency else None


class ClassColor(Record):
    """A class and its colour in masks, red, green and blue in 0 to 255."""

    name: str
    color: tuple[Channel, Channel, Channel]
