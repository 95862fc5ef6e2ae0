"""Records of a run folder besides those of its stages and measurements."""

from collections.abc import Mapping

from segshrink.records.measurement import Count, ModelCost, Share, SplitRecord
from segshrink.records.record import Record, SparseRecord


class PartImages(Record):
    """Images of one part of the data: their number, and a digest that tells them apart.

    The digest covers names, sizes and, where they were counted, pixels per class.
    """

    count: Count
    sha256: str


class RunData(SparseRecord):
    """The data that a run was begun with, `data.json`.

    `classes` holds names by the code that stands for the class in masks, `images` is
    by part.
    """

    name: str
    classes: Mapping[str, str]
    split: SplitRecord
    images: Mapping[str, PartImages]


class ExportAttempt(Record):
    """One attempt at an exported file, compared with its model on validation tiles.

    `agreement` is the share of pixels with the same class; `drop` are the points of
    mean IoU that the file has less than the model. `remedy` says what was done to lose
    less, `float_layers` which layers an int8 file computes in float32.
    """

    max_logit_error: float | None = None
    agreement: Share | None = None
    mean_iou: Share | None = None
    model_mean_iou: Share | None = None
    drop: float | None = None
    remedy: str | None = None
    float_layers: tuple[str, ...] = ()


class ExportCheck(ExportAttempt):
    """The attempt that was kept, and all attempts that were made."""

    attempts: tuple[ExportAttempt, ...] = ()


class ExportRecord(ExportCheck):
    """An exported file of a run, `artifacts/FILE.json`."""

    file: str
    model: ModelCost


class SampleEntry(Record):
    """An image of which a run keeps pictures, an entry of `samples.json`."""

    image: str
    folder: str
