"""The data of a recipe: opened, told of, and held against models."""

from pathlib import Path

import keras

from segshrink.data import (
    Dataset,
    open_dataset,
    open_patch_dataset,
)
from segshrink.errors import (
    DatasetError,
    ModelError,
)
from segshrink.progress import Progress
from segshrink.recipe import Recipe


def open_recipe_data(recipe: Recipe, progress: Progress) -> Dataset:
    """Open the recipe's data and tell its notices and split.

    Raises:
        DatasetError: if it has faults, or nothing to tell apart.
    """
    data = recipe.data
    if data.protocol is not None and data.split is not None:
        dataset = open_patch_dataset(
            data.source, data.split, seed=data.split_seed, progress=progress
        )
    else:
        dataset = open_dataset(
            data.source,
            split=data.split,
            seed=data.split_seed,
            scenes=data.scenes,
            scene_px=data.scene_px,
            progress=progress,
        )
    if dataset.classes.num_classes < 2:
        raise DatasetError(
            f"{data.source}: has the one class {dataset.classes.names[0]!r}, but a "
            "model needs two to tell apart. Give the rest, now void, a class in "
            "dataset.yaml."
        )
    for notice in dataset.notices:
        progress.say(notice)
    split = dataset.split
    kind = "Leaking split" if split.leaks else "Split by scene"
    progress.say(f"{kind}, from {split.source}:")
    for part in ("train", "val", "test"):
        names = getattr(split, part)
        shown = ", ".join(names[:6]) + (
            f" and {len(names) - 6} more" * (len(names) > 6)
        )
        progress.say(f"  {part}: {len(getattr(dataset, part))} images of {shown}")
    return dataset


def require_fit(model: keras.Model, file: Path, dataset: Dataset, tile_px: int) -> None:
    """Refuse a model that does not take the tiles or give the classes of the data.

    Raises:
        ModelError: saying what the file has and what must hold.
    """
    tile = (None, tile_px, tile_px, 3)
    if model.input_shape != tile:
        raise ModelError(
            f"{file}: takes images {model.input_shape}, but tiles are {tile}. "
            "Set data.tile_px in the recipe to the model's size."
        )
    wanted = (None, tile_px, tile_px, dataset.classes.num_classes)
    if model.output_shape != wanted:
        raise ModelError(
            f"{file}: gives {model.output_shape}, but {dataset.name} needs logits "
            f"{wanted} for {', '.join(dataset.classes.names)}."
        )
