"""Distillation: students learn from labels and from a teacher."""

from segshrink.distillation.distill import distill, require_sense_of_unlabelled
from segshrink.distillation.distiller import Distiller
from segshrink.distillation.logits_only import require_logits_suffice
from segshrink.distillation.logits_source import (
    LogitsSource,
    MeanLogits,
    Teacher,
    TiledLogits,
)
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
from segshrink.distillation.prediction_folder import FolderLogits
from segshrink.distillation.teacher_cache import CacheSettings, TeacherCache
from segshrink.distillation.term import Term

__all__ = [
    "DIST",
    "AttentionTransfer",
    "CacheSettings",
    "ChannelWise",
    "Distiller",
    "FeatureHint",
    "FolderLogits",
    "LayerMatches",
    "LayerPair",
    "LogitsSource",
    "MeanLogits",
    "PairwiseSimilarity",
    "PixelKL",
    "Teacher",
    "TeacherCache",
    "Term",
    "TiledLogits",
    "boundary_weights",
    "build_terms",
    "distill",
    "match_layers",
    "require_logits_suffice",
    "require_sense_of_unlabelled",
]
