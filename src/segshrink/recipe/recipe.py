"""The whole recipe, and the sections of its two models."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from segshrink.formats import Format, InputRange
from segshrink.recipe.data import DataSettings
from segshrink.recipe.distillation import DistillationSettings
from segshrink.recipe.files import ExportSettings, MeasuringSettings
from segshrink.recipe.models import (
    CompactSettings,
    TeacherModelSettings,
    UNetSettings,
)
from segshrink.recipe.pruning import PruningSettings
from segshrink.recipe.settings import Settings
from segshrink.recipe.training import StudentTrainingSettings, TrainingSettings


class TeacherSettings(Settings):
    """The teacher: a model to build and train, or trained ones to take as they are.

    `file`: one or a list of model files of any format and folders of predictions, of
    which the mean of the probabilities teaches. Of a Keras model, `head` is the output
    that gives the classes, if it has several, and `input_range` the range of the images
    that it was trained on, where it does not scale them itself. `architecture` is a
    Python file whose `build()` returns the model of a file that holds only weights.
    """

    file: str | tuple[str, ...] | None = None
    head: str | None = None
    input_range: InputRange | None = None
    architecture: str | None = None
    model: TeacherModelSettings = UNetSettings()
    training: TrainingSettings = TrainingSettings()

    @property
    def files(self) -> tuple[str, ...]:
        """The files and folders that `file` names."""
        if self.file is None:
            return ()
        return (self.file,) if isinstance(self.file, str) else self.file

    @property
    def is_one_keras_file(self) -> bool:
        """Whether `file` names a single Keras model, which could be pruned."""
        formats = [Format.of_file(file) for file in self.files]
        return formats == [Format.KERAS]

    @field_validator("file")
    @classmethod
    def _require_different_files(cls, value: Any) -> Any:
        if value is not None and not isinstance(value, str):
            if not value or "" in value or len(set(value)) < len(value):
                raise ValueError("must be different files; leave out what is repeated")
        return value

    @model_validator(mode="after")
    def _refuse_a_model_beside_a_file(self) -> Self:
        if self.file is not None and self.model_fields_set & {"model", "training"}:
            raise ValueError(
                "a teacher file is taken as it is: drop model and training"
            )
        return self


class StudentSettings(Settings):
    """The student: the pruned teacher, or a compact model built from scratch.

    `architecture` is for `distill`, which takes the student from a file: a Python file
    whose `build()` returns the model of a file that holds only weights.
    """

    kind: Literal["pruned", "compact"] = "pruned"
    architecture: str | None = None
    pruning: PruningSettings = PruningSettings()
    model: CompactSettings = CompactSettings()
    distillation: DistillationSettings = DistillationSettings()
    training: StudentTrainingSettings = StudentTrainingSettings()

    @model_validator(mode="after")
    def _refuse_options_without_effect(self) -> Self:
        views = self.distillation.cache_views or 1
        if views > 1 and not self.training.augmentation.photometric:
            raise ValueError(
                "distillation.cache_views: no effect where "
                "training.augmentation.photometric is 0, drop it"
            )
        mixing = self.distillation.mixing
        if mixing not in (None, "none") and self.training.batch_size == 1:
            raise ValueError(
                f"distillation.mixing: {mixing} mixes a tile with another of its "
                "batch, so that it has no effect where training.batch_size is 1, drop "
                "it"
            )
        idle = "model" if self.kind == "pruned" else "pruning"
        if idle in self.model_fields_set:
            raise ValueError(f"a {self.kind} student does not use {idle}: drop it")
        return self


class Recipe(Settings):
    """All settings of a run of `segshrink compress`."""

    # Backends take seeds of 32 bits, and the stages use the seeds after this one.
    seed: int = Field(0, ge=0, lt=2**32 - 8)
    data: DataSettings = DataSettings()
    teacher: TeacherSettings = TeacherSettings()
    student: StudentSettings = StudentSettings()
    export: ExportSettings = ExportSettings()
    measuring: MeasuringSettings = MeasuringSettings()
    baselines: bool = False

    @model_validator(mode="after")
    def _require_layers_to_prune(self) -> Self:
        teacher = self.teacher
        if not teacher.files or teacher.is_one_keras_file:
            return self
        if self.student.kind == "pruned":
            raise ValueError(
                "teacher.file: a pruned student is made of the layers of one Keras "
                "model (.keras); name one, or take student.kind: compact"
            )
        return self
