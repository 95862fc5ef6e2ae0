"""Recovery of a pruned model from a few images, without training."""

from segshrink.pruning.recovery.batch_norm import reestimate_batch_norm
from segshrink.pruning.recovery.reconstruction import PositionSampling, reconstruct

__all__ = ["PositionSampling", "reconstruct", "reestimate_batch_norm"]
