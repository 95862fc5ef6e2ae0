"""Training that resumes: one fit for teachers, students and distilled students."""

from segshrink.training.batch_size import settled
from segshrink.training.checkpoint import discard_checkpoint
from segshrink.training.context import TrainingContext
from segshrink.training.fit import Objective, TrainingResult, fit, steps_per_epoch
from segshrink.training.train import train

__all__ = [
    "Objective",
    "TrainingContext",
    "TrainingResult",
    "discard_checkpoint",
    "fit",
    "settled",
    "steps_per_epoch",
    "train",
]
