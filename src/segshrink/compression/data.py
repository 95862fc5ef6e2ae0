"""The data of a recipe: opening it, and checking that models fit it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from segshrink.compression.part_sizes import part_lines
from segshrink.data import Dataset, open_dataset, open_patch_dataset
from segshrink.data.trained_bands import dataset_as_trained
from segshrink.errors import DatasetError, ModelError, RecipeError
from segshrink.export import read_metadata
from segshrink.formats import EXPORTED, Format
from segshrink.measuring.quality import require_same_bands
from segshrink.progress import Progress
from segshrink.recipe import Recipe
from segshrink.records.bands import Bands
from segshrink.records.metadata import bands_of

if TYPE_CHECKING:
    import keras


def open_recipe_data(
    recipe: Recipe, progress: Progress, teachers: Sequence[Path] = ()
) -> Dataset:
    """Open the recipe's data, and report its notices and its split.

    Args:
        recipe: its section `data` is used, and the names of teachers in files.
        progress: receives the notices and the split as lines.
        teachers: files of teachers besides, whose grey levels the data take, too.

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
    files = [*recipe.teacher.files, *map(str, teachers)]
    dataset = _as_teachers_take(dataset, files)
    _report(dataset, data.tile_px, progress)
    return dataset


def _as_teachers_take(dataset: Dataset, files: Sequence[str]) -> Dataset:
    """The data with the grey levels that given teachers were trained with.

    Raises:
        ModelError: if teachers take different ones.
    """
    known = {file: _bands_of_file(Path(file)) for file in files}
    found = {file: bands for file, bands in known.items() if bands is not None}
    if not found:
        return dataset
    first, *others = found.values()
    if any(bands.scale != first.scale for bands in others):
        lines = [f"  {file}: {bands.shown()}" for file, bands in found.items()]
        raise ModelError(
            "\n".join(["Teachers take different bands or grey levels:", *lines])
            + "\nTake teachers that were trained on the same."
        )
    read = dataset_as_trained(dataset, first)
    if read.train.bands == dataset.train.bands:
        return dataset
    notice = f"Grey levels are those of the teacher {[*found][0]}: {first.shown()}."
    return replace(read, notices=(*read.notices, notice))


def _bands_of_file(path: Path) -> Bands | None:
    if not path.is_file():
        return None  # refused with the model
    if Format.of_file(path) in EXPORTED:
        return bands_of(read_metadata(path))
    from segshrink.models import read_bands

    return read_bands(path)


def _report(dataset: Dataset, tile_px: int, progress: Progress) -> None:
    for notice in dataset.notices:
        progress.say(notice)
    split = dataset.split
    kind = "Leaking split" if split.leaks else "Split by scene"
    progress.say(f"{kind}, from {split.source}:")
    for line in part_lines(dataset, tile_px):
        progress.say(line)
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
        if model.input_shape[1:] == tile[1:]:
            raise ModelError(
                f"{file}: its batches have the fixed size {model.input_shape[0]}. "
                "Build it from keras.Input(shape), without a size of the batch."
            )
        raise ModelError(
            f"{file}: takes images {model.input_shape}, but tiles are {tile}. "
            f"{_remedy(model.input_shape)}"
        )
    wanted = (None, tile_px, tile_px, dataset.classes.num_classes)
    if model.output_shape != wanted:
        raise ModelError(
            f"{file}: predicts {model.output_shape}, but {dataset.name} needs logits "
            f"{wanted} for {', '.join(dataset.classes.names)}."
        )


def _remedy(shape: tuple) -> str:
    if len(shape) == 4 and shape[1] == shape[2]:
        return "Set data.tile_px in the recipe to the model's size."
    return (
        "Models are trained and pruned on square tiles; as a teacher, one of another "
        "size can only teach a compact student (student.kind: compact)."
    )
