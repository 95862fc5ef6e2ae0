"""Distillation: students learn from labels and from a teacher."""

from segshrink.distillation.distill import chosen_settings, distill
from segshrink.distillation.distiller import Distiller
from segshrink.distillation.losses import (
    DIST,
    AttentionTransfer,
    ChannelWise,
    FeatureHint,
    PairwiseSimilarity,
    PixelKL,
    boundary_weights,
)
from segshrink.distillation.matching import LayerMatches, LayerPair, match_layers
from segshrink.distillation.mix import build_terms
from segshrink.distillation.teacher_cache import CacheSettings, TeacherCache
from segshrink.distillation.term import Term

__all__ = [
    "DIST",
    "AttentionTransfer",
    "CacheSettings",
    "ChannelWise",
    "Distiller",
    "FeatureHint",
    "LayerMatches",
    "LayerPair",
    "PairwiseSimilarity",
    "PixelKL",
    "TeacherCache",
    "Term",
    "boundary_weights",
    "build_terms",
    "chosen_settings",
    "distill",
    "match_layers",
]
