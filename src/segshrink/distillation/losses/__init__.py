"""Distillation losses between the maps of teacher and student."""

from segshrink.distillation.losses.attention_transfer import AttentionTransfer
from segshrink.distillation.losses.boundary import boundary_weights
from segshrink.distillation.losses.channel_wise import ChannelWise
from segshrink.distillation.losses.dist import DIST
from segshrink.distillation.losses.feature_hint import FeatureHint
from segshrink.distillation.losses.masked_loss import MaskedLoss
from segshrink.distillation.losses.pairwise_similarity import PairwiseSimilarity
from segshrink.distillation.losses.pixel_kl import PixelKL
from segshrink.distillation.losses.soft_dice import SoftDice

__all__ = [
    "DIST",
    "AttentionTransfer",
    "ChannelWise",
    "FeatureHint",
    "MaskedLoss",
    "PairwiseSimilarity",
    "PixelKL",
    "SoftDice",
    "boundary_weights",
]
