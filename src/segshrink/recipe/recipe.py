"""The whole recipe, and the sections of its two models."""

from typing import Literal, Self

from pydantic import Field, model_validator

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
    """The teacher: a model to build and train, or a trained file to take as it is."""

    file: str | None = None
    model: TeacherModelSettings = UNetSettings()
    training: TrainingSettings = TrainingSettings()

    @model_validator(mode="after")
    def _refuse_a_model_beside_a_file(self) -> Self:
        if self.file is not None and self.model_fields_set & {"model", "training"}:
            raise ValueError(
                "a teacher file is taken as it is: drop model and training"
            )
        return self


class StudentSettings(Settings):
    """The student: the pruned teacher, or a compact model built from scratch."""

    kind: Literal["pruned", "compact"] = "pruned"
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
