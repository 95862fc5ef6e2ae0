"""Records of the stages of a run, `record.json` beside each model."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from segshrink.records.measurement import Count, Role, Share
from segshrink.records.record import Record, SparseRecord

Epoch = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class TrainingTime(SparseRecord):
    """Time that a stage spent on training; zero where a file was taken as it is.

    `seconds` are those of training steps, `teacher_seconds` those spent before them on
    the logits of a teacher.
    """

    seconds: Seconds = 0.0
    teacher_seconds: Seconds = 0.0

    @property
    def total_seconds(self) -> float:
        """Seconds of training steps and of the teacher's logits."""
        return self.seconds + self.teacher_seconds


class StageRecord(SparseRecord):
    """A model that a stage left: what it is in the run, its size and its seed."""

    kind: Role
    parameters: Count
    macs: Count
    seed: int
    versions: str = ""


class TakenRecord(StageRecord):
    """A model that was copied from a file.

    `architecture_sha256` is the digest of the Python file that built it, if one did.
    """

    taken_from: str
    sha256: str
    architecture_sha256: str | None = None


class GivenRecord(SparseRecord):
    """A teacher that is used where it lies: no Keras model, or several.

    `taken_from` names its files and folders, `sha256` is the digest of all they hold.
    """

    kind: Role
    seed: int
    versions: str = ""
    taken_from: tuple[str, ...]
    sha256: str


class TrainedRecord(TrainingTime, StageRecord):
    """A model that was trained.

    `best_epoch` is the 1-based epoch of the saved model, `best_val_miou` its mean IoU
    in memory on the validation part, `best_val_loss` the least validation loss of all
    epochs. `steps` are the training steps of all epochs, `steps_to_90_percent` those up
    to the first validated epoch with at least 90 % of `best_val_miou`; older records
    lack both. `distillation` are the complete settings of a student that had a teacher,
    `sparsity` is the share of zeros in the kernels of a masked model.
    """

    epochs: Epoch
    best_epoch: Epoch
    best_val_miou: Share
    best_val_loss: Annotated[float, Field(allow_inf_nan=False)] | None = None
    tiles: Count
    steps: Count | None = None
    steps_to_90_percent: Count | None = None
    distillation: Mapping[str, object] | None = None
    sparsity: Share | None = None


class PlannedEpochs(Record):
    """Epochs that fit into the seconds a baseline may train, `epochs.json`."""

    epochs: Epoch
    seconds: Seconds


class DistillationInputs(SparseRecord):
    """SHA-256 of what a student was distilled from, `inputs.json`.

    That of a teacher which is not a single Keras model covers all its files. `plan` is
    that of the plan which was named, the others those of the Python files that built
    the models.
    """

    teacher: str
    student: str
    plan: str | None = None
    teacher_architecture: str | None = None
    student_architecture: str | None = None
