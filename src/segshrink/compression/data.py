"""The data of a recipe: opening it, and checking that models fit it."""

from pathlib import Path

import keras

from segshrink.data import Dataset, open_dataset, open_patch_dataset
from segshrink.data.splits import shortened
from segshrink.errors import DatasetError, ModelError, RecipeError
from segshrink.measuring.quality import require_same_bands
from segshrink.progress import Progress
from segshrink.recipe import Recipe


def open_recipe_data(recipe: Recipe, progress: Progress) -> Dataset:
    """Open the recipe's data, and report its notices and its split.

    Args:
        recipe: only its section `data` is used.
        progress: receives the notices and the split as lines.

    Raises:
        DatasetError: if the data has faults, or fewer than two classes.
    """
    data = recipe.data
    if data.protocol is not None and data.split is not None:
        dataset = open_patch_dataset(
            data.source,
            data.split,
            seed=data.split_seed,
            unlabelled=data.unlabelled,
            progress=progress,
            layout=data.layout,
            snap_colors=data.snap_colors,
            resize_masks=data.resize_masks,
        )
    else:
        dataset = open_dataset(
            data.source,
            split=data.split,
            seed=data.split_seed,
            scenes=data.scenes,
            scene_px=data.scene_px,
            bands=data.bands,
            unlabelled=data.unlabelled,
            progress=progress,
            layout=data.layout,
            snap_colors=data.snap_colors,
            resize_masks=data.resize_masks,
        )
    if dataset.classes.num_classes < 2:
        raise DatasetError(
            f"{data.source}: has only the class {dataset.classes.names[0]!r}, but a "
            "model needs at least two. Give the pixels that are void now a class in "
            "dataset.yaml."
        )
    _report(dataset, progress)
    return dataset


def _report(dataset: Dataset, progress: Progress) -> None:
    for notice in dataset.notices:
        progress.say(notice)
    split = dataset.split
    kind = "Leaking split" if split.leaks else "Split by scene"
    progress.say(f"{kind}, from {split.source}:")
    for part, names in split.parts.items():
        images = len(getattr(dataset, part))
        progress.say(f"  {part}: {images} images of {shortened(names, most=6)}")
    if dataset.unlabelled is not None:
        progress.say(f"  unlabelled: {len(dataset.unlabelled)} images")


def refuse_unlabelled(recipe: Recipe) -> None:
    """Refuse unlabelled images where only a teacher is trained.

    Raises:
        RecipeError: if the recipe names some.
    """
    if recipe.data.unlabelled:
        raise RecipeError(
            f"data.unlabelled ({', '.join(recipe.data.unlabelled)}): has no effect on "
            "a teacher, which learns from labels. Drop it."
        )


def require_fit(model: keras.Model, file: Path, dataset: Dataset, tile_px: int) -> None:
    """Refuse a model that does not take the tiles or predict the classes of the data.

    Raises:
        ModelError: with the shape that the model has and the one that is needed.
    """
    tile = (None, tile_px, tile_px, dataset.train.num_bands)
    if model.input_shape != tile:
        if model.input_shape[:3] == tile[:3]:
            require_same_bands(file, model.input_shape[3], dataset.train)
        raise ModelError(
            f"{file}: takes images {model.input_shape}, but tiles are {tile}. "
            "Set data.tile_px in the recipe to the model's size."
        )
    wanted = (None, tile_px, tile_px, dataset.classes.num_classes)
    if model.output_shape != wanted:
        raise ModelError(
            f"{file}: predicts {model.output_shape}, but {dataset.name} needs logits "
            f"{wanted} for {', '.join(dataset.classes.names)}."
        )
