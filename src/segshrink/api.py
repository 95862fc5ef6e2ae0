"""Verbs as functions, for scripts and notebooks.

These are thin: everything they call is public in its own package, with all arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from segshrink.cli.terminal import TerminalProgress
from segshrink.errors import UsageError
from segshrink.formats import InputRange
from segshrink.progress import Progress
from segshrink.recipe import Recipe, load_recipe, parse_recipe, read_recipe_data

if TYPE_CHECKING:
    import keras

    from segshrink.compression.run_folder import Run
    from segshrink.data.opening import OpeningOptions
    from segshrink.records.evaluation import DetailedQuality
    from segshrink.runtimes import Artifact

_RECIPES = (".yaml", ".yml")


def compress(
    source: Recipe | Path | str,
    out: Path | str,
    *,
    recipe: Path | str | None = None,
    progress: Progress | None = None,
    devices: int = 1,
    **fields: Any,
) -> Run:
    """From images and masks to small files that were measured, and a report.

    Args:
        source: a folder of images and masks, `"synthetic"`, the file of a recipe that
            names its data, or a `Recipe`.
        out: run folder; new, empty, or of a run with the same settings, which resumes.
        recipe: file of a recipe, where `source` is the data.
        progress: receives the progress of all long work; by default it is shown.
        devices: of this machine that each training step is divided among; 0 is all.
        **fields: fields of the recipe, which override those of its file: `seed=1`,
            `data={"split": "parts.json"}`, `student={"pruning": {"keep": 0.5}}`.

    Returns:
        The run, with the paths of its files; `.report` is the page.

    Raises:
        SegshrinkError: for faults in data, recipe or folder, before anything is
            trained where they can be known.

    Example:
        ```python
        run = segshrink.compress("photos", out="runs/first", seed=1)
        ```
    """
    from segshrink.compression import pipeline

    chosen = _recipe_of(source, recipe, fields)
    progress = progress or TerminalProgress()
    return pipeline.compress(chosen, out, progress=progress, devices=devices)


def _recipe_of(
    source: Recipe | Path | str, file: Path | str | None, fields: dict[str, object]
) -> Recipe:
    is_file = isinstance(source, Path | str) and Path(source).suffix in _RECIPES
    if isinstance(source, Recipe) or is_file:
        if fields or file is not None:
            named = ", ".join([*fields, *(["recipe"] if file is not None else [])])
            raise UsageError(
                f"{named}: has no effect on a recipe that is given whole. Name the "
                "data first, and the recipe as recipe=."
            )
        return source if isinstance(source, Recipe) else load_recipe(source)
    plain: dict[str, object] = {} if file is None else read_recipe_data(file)
    merged = _merged(plain, {"data": {"source": str(source)}}, fields)
    return parse_recipe(merged, where="recipe" if file is None else str(file))


def _merged(*layers: Mapping[str, object]) -> dict[str, object]:
    """Mappings one over the other, those within them likewise."""
    result: dict[str, object] = {}
    for layer in layers:
        for name, value in layer.items():
            below = result.get(name)
            if isinstance(below, Mapping) and isinstance(value, Mapping):
                value = _merged(below, value)
            result[name] = value
    return result


def predict(
    model: Artifact | Path | str,
    image: npt.NDArray[np.uint8] | Path | str,
    *,
    threads: int = 1,
    head: str | None = None,
    input_range: InputRange | str | None = None,
    architecture: Path | str | None = None,
) -> npt.NDArray[np.uint8]:
    """Classes of the pixels of one image of any size.

    Args:
        model: a model file, or one that `load_artifact` opened, which saves opening it
            for every image.
        image: a photograph, or uint8 `(height, width, bands)`.
        threads: int >= 1, of a file.
        head: of a file, as for `load_artifact`.
        input_range: of a file, as for `load_artifact`; None is 0-255.
        architecture: of a file, as for `load_artifact`.

    Returns:
        uint8 `(height, width)`, indices of classes; 255 where a file has no data.

    Raises:
        ModelError: if the model cannot be opened or takes images of other bands.
        DatasetError: if the image cannot be read.
        UsageError: if an option is given for a model that is open already.

    Example:
        ```python
        classes = segshrink.predict("student.tflite", "photo.jpg")
        ```
    """
    from segshrink.data.classes import IGNORE_INDEX
    from segshrink.data.images import read_pixels
    from segshrink.prediction.bands import source_file
    from segshrink.runtimes import classes_of_image, load_artifact

    if isinstance(model, Path | str):
        model = load_artifact(
            model,
            threads=threads,
            head=head,
            input_range=input_range or InputRange.BYTES,
            architecture=architecture,
        )
    elif threads != 1 or any((head, input_range, architecture)):
        raise UsageError(
            "threads, head, input_range and architecture have no effect on a model "
            "that is open already. Give them to load_artifact."
        )
    if not isinstance(image, Path | str):
        return classes_of_image(model, image)
    pixels, has_data = read_pixels(source_file(model, Path(image)))
    classes = classes_of_image(model, pixels)
    if has_data is not None:
        classes[~has_data] = IGNORE_INDEX
    return classes


def evaluate(
    model: Artifact | Path | str,
    data: Path | str,
    *,
    part: str = "test",
    split: Path | str | None = None,
    seed: int = 0,
    threads: int = 1,
    progress: Progress | None = None,
    **options: Unpack[OpeningOptions],
) -> DetailedQuality:
    """Quality of a model file on whole images that it was not trained on.

    Args:
        model: a file of any format, or one that `load_artifact` opened, which takes
            the range of its images, and the output that gives the classes.
        data: a folder of images and masks, or `"synthetic"`.
        part: `"val"` or `"test"`.
        split: as for `open_dataset`.
        seed: as for `open_dataset`.
        threads: int >= 1, of a file.
        progress: receives every image; by default it is shown.
        **options: as for `open_dataset`.

    Returns:
        Scores of all images together, and by class, scene and image.

    Raises:
        ModelError: if the file cannot be opened or does not fit the data.
        DatasetError: if the data set has faults.
        UsageError: for another part, or options that do not exist.
    """
    from segshrink.compression.input_range import require_range_of_file
    from segshrink.data import open_dataset
    from segshrink.measuring.evaluation import evaluate_artifact
    from segshrink.runtimes import load_artifact

    if part not in ("val", "test"):
        raise UsageError(f"part must be val or test, got {part!r}.")
    progress = progress or TerminalProgress()
    if isinstance(model, Path | str):
        artifact = load_artifact(model, threads=threads)
    elif threads == 1:
        artifact = model
    else:
        raise UsageError("threads has no effect on a model that is open already.")
    dataset = open_dataset(data, split=split, seed=seed, progress=progress, **options)
    if artifact is not model:
        require_range_of_file(artifact, dataset)
    images = getattr(dataset, part)
    return evaluate_artifact(artifact, images, dataset.classes, progress=progress)


def prune(model: keras.Model, **arguments: Any) -> keras.Model:
    """A smaller plain model without the least important channels.

    Args:
        model: any Functional or Sequential model.
        **arguments: as for `plan_pruning`, such as `keep=0.5`.

    Raises:
        ModelError, UsageError: as `plan_pruning`.
    """
    from segshrink.pruning import prune_channels

    return prune_channels(model, **arguments)
