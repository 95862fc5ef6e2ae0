"""Data, folder, seed and progress of a training run."""

from dataclasses import dataclass, field
from pathlib import Path

from segshrink.data import Dataset
from segshrink.progress import Progress, SilentProgress


@dataclass(frozen=True, kw_only=True)
class TrainingContext:
    """Data, folder, seed and progress of one training run.

    The size of the tiles is the input size of the model.

    Attributes:
        dataset: data to train and validate on.
        folder: where `model.keras`, `history.csv` and the checkpoint are written; a
            run that was killed resumes from there.
        seed: of tiles and augmentation, at least 0.
        progress: receives every step.
        label: name of the work in the progress display.
        devices: each step is divided among as many; 0 is all of this machine. A run may
            resume with another number.
    """

    dataset: Dataset
    folder: Path
    seed: int = 0
    progress: Progress = field(default_factory=SilentProgress)
    label: str = "training"
    devices: int = 1
