"""A small data set on disk, and a recipe that takes seconds with it."""

from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from segshrink.data import IGNORE_INDEX
from segshrink.data.synthetic import CLASSES, generate_scene

SPLIT = {
    "train": ["north/1", "north/2", "north/3"],
    "val": ["south/4"],
    "test": ["south/5", "south/ö 6"],
}
# The last class of the generator, building sites, is rare: it is void here.
NAMES, COLORS = CLASSES.names[:-1], CLASSES.colors[:-1]
VOID_COLORS = [*CLASSES.void_colors, CLASSES.colors[-1]]
SCENE_PX = 128
_PATCH_PX = 12

RECIPE = """
data: {tile_px: 64}
teacher:
  model: {base_filters: 8, levels: 1}
  training: {epochs: 4, tiles_per_epoch: 8, batch_size: 4}
student:
  training: {epochs: 4, tiles_per_epoch: 8, batch_size: 4}
  pruning: {keep: 0.5, multiple_of: 2}
export: {calibration_tiles: 8}
measuring: {rounds: 3, samples: 2}
"""


def write_scenes(root: Path) -> None:
    """SCENE/images/view.png and SCENE/masks/view.png of every scene of `SPLIT`."""
    scenes = [scene for part in SPLIT.values() for scene in part]
    for index, scene in enumerate(scenes):
        pixels, labels = generate_scene(index, size_px=SCENE_PX, seed=3)
        _paint_patches(pixels, labels)
        for kind, picture in (("images", pixels), ("masks", CLASSES.colorize(labels))):
            folder = root / scene / kind
            folder.mkdir(parents=True)
            Image.fromarray(picture).save(folder / "view.png")
    write_description(root)


def _paint_patches(pixels: np.ndarray, labels: np.ndarray) -> None:
    """One patch of each class and one of void, so that no scene lacks one."""
    for place, label in enumerate([*range(len(NAMES)), IGNORE_INDEX]):
        columns = slice(place * _PATCH_PX, (place + 1) * _PATCH_PX)
        labels[:_PATCH_PX, columns] = label
        pixels[:_PATCH_PX, columns] = CLASSES.colorize(labels)[:_PATCH_PX, columns]


def write_description(root: Path, **changes: object) -> None:
    """dataset.yaml of the scenes; `changes` replace whole keys, None removes one."""
    classes = [
        {"name": name, "color": list(color)}
        for name, color in zip(NAMES, COLORS, strict=True)
    ]
    content = {
        "name": "Stadt",
        "classes": classes,
        "void_colors": [list(color) for color in VOID_COLORS],
        "split": SPLIT,
    } | changes
    given = {key: value for key, value in content.items() if value is not None}
    text = yaml.safe_dump(given, allow_unicode=True)
    (root / "dataset.yaml").write_text(text, encoding="utf-8")
