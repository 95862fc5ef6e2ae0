"""The context that all stages of a run share."""

from dataclasses import dataclass, field
from pathlib import Path

import keras

from segshrink.compression.run_folder import Run
from segshrink.data import Dataset
from segshrink.progress import Progress, SilentProgress
from segshrink.recipe import Recipe
from segshrink.records.measurement import Role
from segshrink.training import TrainingContext

# Added to the recipe's seed, so that no two stages draw the same random numbers.
_SEED_OFFSETS = {
    Role.TEACHER: 0,
    Role.STUDENT: 1,
    Role.MASKS_ONLY: 2,
    Role.NO_TEACHER: 3,
}


def stage_seed(recipe: Recipe, role: Role) -> int:
    """Seed of the stage that makes the model of `role`."""
    return recipe.seed + _SEED_OFFSETS[role]


@dataclass(frozen=True)
class Context:
    """Recipe, data, folder and progress of one run.

    Attributes:
        recipe: the complete recipe.
        dataset: the recipe's data.
        folder: run folder.
        progress: receives the progress of all long work.
        devices: that training is divided among, as for `TrainingContext`.
    """

    recipe: Recipe
    dataset: Dataset
    folder: Path
    progress: Progress = field(default_factory=SilentProgress)
    devices: int = 1

    @property
    def run(self) -> Run:
        """The run folder, with the places of its files."""
        return Run(self.folder, self.recipe)

    @property
    def tile_px(self) -> int:
        """Height and width of training tiles in pixels."""
        return self.recipe.data.tile_px

    def seed(self, role: Role) -> int:
        """Seed of the stage that makes the model of `role`."""
        return stage_seed(self.recipe, role)

    def set_seed(self, role: Role) -> None:
        """Seed all random numbers that are drawn outside of a training run."""
        keras.utils.set_random_seed(self.seed(role))

    def training(self, role: Role, folder: Path, label: str) -> TrainingContext:
        """Context of a training run in the stage of `role`.

        Args:
            role: decides the seed.
            folder: where the training run writes.
            label: name of the work in the progress display.
        """
        return TrainingContext(
            dataset=self.dataset,
            folder=folder,
            seed=self.seed(role),
            progress=self.progress,
            label=label,
            devices=self.devices,
        )
