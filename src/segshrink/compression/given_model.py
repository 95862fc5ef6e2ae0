"""Keras models that people bring: what they give and take is settled when they open."""

from pathlib import Path

import keras

from segshrink.compression.input_range import require_input_range
from segshrink.data import Dataset
from segshrink.errors import ModelError
from segshrink.formats import InputRange
from segshrink.measuring.quality import require_same_bands
from segshrink.models import head_note, load_model
from segshrink.models.input_range import with_input_range
from segshrink.progress import Progress


def open_given_model(
    path: Path,
    progress: Progress,
    *,
    head: str | None = None,
    input_range: str | None = None,
    architecture: Path | str | None = None,
    dataset: Dataset | None = None,
) -> keras.Model:
    """Load a model as one of images 0-255 that gives logits of the data's classes.

    Args:
        path: its file.
        progress: receives how its head was changed.
        head: output that gives the classes, if there are several.
        input_range: range of the images that it takes, an `InputRange`.
        architecture: Python file that builds the model; see `load_model`.
        dataset: data that its classes and bands must be those of; if the model does not
            scale its images itself and no range is given, the validation part is tried.

    Raises:
        ModelError: if it does not fit the data, or is clearly better for another range.
    """
    model = load_model(path, head, architecture)
    note = head_note(model)
    if note is not None:
        progress.say(f"{path}: {note}")
    if dataset is not None:
        require_classes(model, path, dataset)
        require_input_range(model, path, dataset, input_range)
    return with_input_range(model, input_range or InputRange.BYTES)


def require_classes(model: keras.Model, path: Path, dataset: Dataset) -> None:
    """Refuse a model of other bands or of another number of classes than the data.

    Raises:
        ModelError: with both numbers.
    """
    shape = model.inputs[0].shape
    if len(shape) == 4:
        require_same_bands(path, shape[3], dataset.train)
    given, names = model.outputs[0].shape[-1], dataset.classes.names
    if given != len(names):
        raise ModelError(
            f"{path}: gives {given} classes, but the data set has {len(names)} "
            f"({', '.join(names)}). Take the data that it was trained for; a class "
            "that occurs in none of these masks can be declared in dataset.yaml too."
        )
