"""Records of a run folder besides those of its stages and measurements."""

from collections.abc import Mapping

from segshrink.records.bands import Bands
from segshrink.records.measurement import Agreement, Count, ModelCost, SplitRecord
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
    by part. `unlabelled` are the images on which only a teacher counts, if any. `bands`
    are those of images that are no plain pictures.
    """

    name: str
    classes: Mapping[str, str]
    split: SplitRecord
    images: Mapping[str, PartImages]
    unlabelled: PartImages | None = None
    bands: Bands | None = None


class ExportAttempt(Agreement):
    """One attempt at an exported file, compared with its model on validation tiles.

    `remedy` says what was done to lose less, `float_layers` which layers an int8 file
    computes in float32.
    """

    remedy: str | None = None
    float_layers: tuple[str, ...] = ()


class ExportCheck(ExportAttempt):
    """The attempt that was kept, and all attempts that were made."""

    attempts: tuple[ExportAttempt, ...] = ()


class _ExportedFile(SparseRecord):
    """Name of an exported file, and cost of its model."""

    file: str
    model: ModelCost


class ExportRecord(ExportCheck, _ExportedFile):
    """An exported file of a run, `artifacts/FILE.json`."""


class SampleEntry(Record):
    """An image of which a run keeps pictures, an entry of `samples.json`."""

    image: str
    folder: str
