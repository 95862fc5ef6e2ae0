"""Students learn from labels and from a teacher."""

from segshrink.distillation.distill import distill
from segshrink.distillation.distiller import Distiller
from segshrink.distillation.pixel_kl import PixelKL, pixel_kl

__all__ = ["Distiller", "PixelKL", "distill", "pixel_kl"]
