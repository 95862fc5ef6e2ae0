"""From folders of images and masks to scenes, tiles and batches."""

from segshrink.data.annotated import AnnotatedImage, Part, class_frequencies
from segshrink.data.classes import IGNORE_INDEX, UNLABELLED, Classes
from segshrink.data.converting import convert_dataset
from segshrink.data.dataset import Dataset, open_dataset
from segshrink.data.grid import iter_tiles
from segshrink.data.inspection import (
    DatasetReport,
    SceneReport,
    inspect_dataset,
    starter_yaml,
)
from segshrink.data.patch_training import open_patch_dataset
from segshrink.data.patches import PatchDataset, open_patches, stretch_channels
from segshrink.data.sliding_window import (
    SlidingWindow,
    map_by_tiles,
    stream_by_tiles,
    tiles_in_order,
)
from segshrink.data.splits import Split
from segshrink.data.tiles import ImageMaps, TileSampler, TileSettings, plain_tiles
from segshrink.data.unlabelled_inspection import UnlabelledReport, inspect_unlabelled

__all__ = [
    "IGNORE_INDEX",
    "UNLABELLED",
    "AnnotatedImage",
    "Classes",
    "Dataset",
    "DatasetReport",
    "ImageMaps",
    "Part",
    "PatchDataset",
    "SceneReport",
    "SlidingWindow",
    "Split",
    "TileSampler",
    "TileSettings",
    "UnlabelledReport",
    "class_frequencies",
    "convert_dataset",
    "inspect_dataset",
    "inspect_unlabelled",
    "iter_tiles",
    "map_by_tiles",
    "tiles_in_order",
    "stream_by_tiles",
    "open_dataset",
    "open_patch_dataset",
    "open_patches",
    "plain_tiles",
    "stretch_channels",
    "starter_yaml",
]
