"""Training that resumes: one fit for teachers, students and distilled students."""

from segshrink.training.checkpoint import discard_checkpoint
from segshrink.training.fit import TrainingResult, fit, steps_per_epoch
from segshrink.training.train import train

__all__ = ["TrainingResult", "discard_checkpoint", "fit", "steps_per_epoch", "train"]
