"""Keras models that people bring: what they give and take is settled when they open."""

from pathlib import Path

import keras
import numpy as np

from segshrink.compression.input_range import CLEARLY, TILES, require_input_range
from segshrink.data import Dataset, plain_tiles
from segshrink.errors import ModelError
from segshrink.formats import WINDOW_PX, InputRange
from segshrink.measuring.quality import require_same_bands
from segshrink.metrics import ConfusionMatrix
from segshrink.models import head_note, load_model
from segshrink.models.heads import TWO_CLASSES
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
    model = with_input_range(model, input_range or InputRange.BYTES)
    if dataset is not None and model.layers[-1].name == TWO_CLASSES:
        _require_background_first(model, path, dataset)
    return model


def _require_background_first(model: keras.Model, path: Path, dataset: Dataset) -> None:
    """Refuse data that list what one channel shows before what it does not.

    The channel is the second class; whether that is meant is tried on some tiles.
    """
    height, width = (size or WINDOW_PX for size in model.inputs[0].shape[1:3])
    images, labels = plain_tiles(dataset.val, (height, width), TILES)
    found = model.predict_on_batch(images.astype(np.float32)).argmax(-1)
    counts = [ConfusionMatrix(2), ConfusionMatrix(2)]
    counts[0].update(labels, found)
    counts[1].update(labels, 1 - found)
    as_listed, exchanged = (float(np.nan_to_num(x.mean_iou())) for x in counts)
    labelled = np.bincount(labels[labels < 2].ravel(), minlength=2)
    commonest = labelled.max() / max(1, labelled.sum())
    # Weights of chance are a little better one way or the other, too.
    is_better = exchanged > as_listed + CLEARLY
    if is_better and counts[1].pixel_accuracy > commonest:
        background, foreground = dataset.classes.names
        raise ModelError(
            f"{path}: its single channel is taken for {foreground}, the second class "
            f"of {dataset.name}, but fits {background} better: mean IoU on {TILES} "
            f"tiles of the validation part {as_listed:.2f}, with the classes exchanged "
            f"{exchanged:.2f}. List {foreground} first in dataset.yaml."
        )


def require_classes(model: keras.Model, path: Path, dataset: Dataset) -> None:
    """Refuse a model of other bands or of another number of classes than the data.

    Raises:
        ModelError: with both numbers.
    """
    shapes = [tuple(x.shape) for x in (*model.inputs, model.outputs[0])]
    if len(model.inputs) != 1 or any(len(shape) != 4 for shape in shapes):
        raise ModelError(
            f"{path}: one image in and one class for each of its pixels out are "
            f"needed, got {len(model.inputs)} inputs and shapes "
            f"{', '.join(map(str, shapes))}."
        )
    require_same_bands(path, shapes[0][3], dataset.train)
    given, names = model.outputs[0].shape[-1], dataset.classes.names
    if given != len(names):
        raise ModelError(
            f"{path}: gives {given} classes, but the data set has {len(names)} "
            f"({', '.join(names)}). Take the data that it was trained for; a class "
            "that occurs in none of these masks can be declared in dataset.yaml too."
        )
