"""Records of a file that `segshrink evaluate` scored in detail."""

from segshrink.records.machine import Machine
from segshrink.records.measurement import (
    ClassQuality,
    Confusion,
    Count,
    DataRecord,
    Quality,
    Share,
    Size,
)
from segshrink.records.record import Record, SparseRecord


class BoundaryQuality(Record):
    """Boundary IoU: its mean, and that of each class.

    `share` is the width of the boundary as a share of the image's diagonal.
    """

    share: float
    mean: Share | None
    classes: tuple[Share | None, ...]


class SceneQuality(Record):
    """Scores of one scene, all its images together."""

    name: str
    images: Count
    mean_iou: Share | None
    pixel_accuracy: Share | None


class ReliabilityBin(Record):
    """Pixels of similar confidence: its mean, and the share of them that is right."""

    pixels: Count
    confidence: Share
    accuracy: Share


class CalibrationQuality(Record):
    """Expected calibration error, in [0, 1], and the bins that it is computed from.

    Bins are of equal width in [0, 1]; those without pixels are left out.
    """

    expected_error: Share
    bins: tuple[ReliabilityBin, ...]


class DetailedQuality(Quality):
    """Scores of a file on one part of the data, also by scene and at boundaries.

    `calibration` is missing of files that give classes alone, and in early records.
    """

    boundary_iou: BoundaryQuality
    scenes: tuple[SceneQuality, ...]
    calibration: CalibrationQuality | None = None


class PatchClassQuality(ClassQuality):
    """Scores of one class over all pixels of the patches."""

    predicted_pixels: Count


class PatchQuality(SparseRecord):
    """Scores over patches, where void pixels count as a class.

    `precision_at_half` and `recall_at_half` are those of the random-patch protocol,
    which are not the means over classes that other records call precision and recall.
    """

    pixels: Count
    void_pixels: Count
    pixel_accuracy: Share | None
    precision_at_half: float
    recall_at_half: float
    soft_jaccard: float | None
    mean_iou: Share | None
    classes: tuple[PatchClassQuality, ...]
    confusion: Confusion


class RandomPatchQuality(PatchQuality):
    """Scores of a file under the random-patch protocol, which leaks.

    `neighbours_in_training` counts the patches that touch a training patch, `void_as`
    is the class that void pixels count as.
    """

    protocol: str
    leaks: bool
    patches: Count
    patch_px: Count
    neighbours_in_training: Count
    void_as: str


class PatchSplitRecord(Record):
    """Source of a split of patches, and how many patches are on each side."""

    source: str
    patch_px: Count
    train_patches: Count
    val_patches: Count


class PatchDataRecord(Record):
    """Data whose patches a file was scored on."""

    name: str
    split: PatchSplitRecord


class ScoredFile(SparseRecord):
    """A file that was scored, and what ran it."""

    file: str
    size: Size
    runtime: str
    runtime_version: str
    threads: int
    machine: Machine
    segshrink: str


class Evaluation(ScoredFile):
    """Scores of one file on whole images, `segshrink evaluate --json`."""

    data: DataRecord
    quality: DetailedQuality


class RandomPatchEvaluation(ScoredFile):
    """Scores of one file, `segshrink evaluate --protocol random-patch --json`."""

    data: PatchDataRecord
    quality: RandomPatchQuality
