"""Teachers and students: plain Keras models, and the files they live in."""

from segshrink.models.build import build_model
from segshrink.models.compact import compact
from segshrink.models.copying import copy_model
from segshrink.models.efficientnet_lite import efficientnet_lite
from segshrink.models.heads import head_note, with_logits
from segshrink.models.input_size import tile_px_of
from segshrink.models.loading import load_model, read_bands, save_model
from segshrink.models.plain import custom_layers, plain_model
from segshrink.models.unet import unet

__all__ = [
    "build_model",
    "compact",
    "copy_model",
    "custom_layers",
    "efficientnet_lite",
    "head_note",
    "load_model",
    "plain_model",
    "read_bands",
    "save_model",
    "tile_px_of",
    "unet",
    "with_logits",
]
