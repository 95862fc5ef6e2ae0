"""The range of a model's images, where the model does not say it: by trying."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segshrink.data import Dataset
from segshrink.data.tiles import plain_tiles
from segshrink.errors import ModelError
from segshrink.formats import WINDOW_PX, InputRange
from segshrink.metrics import ConfusionMatrix
from segshrink.runtimes import Artifact
from segshrink.runtimes.artifact import in_range
from segshrink.runtimes.loading import says_range

if TYPE_CHECKING:
    import keras

TILES = 16
# A difference of this much in mean IoU is no accident on these tiles.
CLEARLY = 0.05


def require_input_range(
    model: keras.Model, file: Path, dataset: Dataset, given: str | None
) -> None:
    """Refuse a model whose quality is clearly better for images of another range.

    Models that scale their images themselves are not tried, nor is anything if the
    range was given.

    Args:
        model: the model, which gives logits of the data set's classes.
        file: its file, for the message.
        dataset: its validation part is tried on.
        given: the range that the user gave; None if none was given.

    Raises:
        ModelError: naming the better range.
    """
    from segshrink.models.input_range import scales_itself

    shape = model.inputs[0].shape[1:]
    if given is None and len(shape) == 3 and not scales_itself(model):
        size_px = shape[0] or WINDOW_PX, shape[1] or WINDOW_PX
        _require_best(model.predict_on_batch, file, dataset, size_px)


def require_range_of_file(artifact: Artifact, dataset: Dataset) -> None:
    """The same of an opened file that says nothing about its images.

    Raises:
        ModelError: naming the better range.
    """
    as_many = artifact.num_classes == dataset.classes.num_classes
    if as_many and not says_range(artifact):
        _require_best(artifact.predict, artifact.path, dataset, artifact.input_shape)


def _require_best(
    predict: Callable[[np.ndarray], np.ndarray],
    file: Path,
    dataset: Dataset,
    size_px: tuple[int, int],
) -> None:
    scores, is_better_than_one_class = miou_by_range(predict, dataset, size_px)
    best = max(scores, key=lambda each: scores[each])
    # Weights of chance are a little better for some range, too.
    if scores[best] < scores[InputRange.BYTES] + CLEARLY:
        return
    if not is_better_than_one_class[best]:
        return
    listed = ", ".join(f"{name} {score:.2f}" for name, score in scores.items())
    better = [x for x in scores if scores[x] >= scores[InputRange.BYTES] + CLEARLY]
    better.sort(key=lambda each: -scores[each])
    # On easy images several ranges do alike, and not always the true one best.
    choice = f" ({' and '.join(better[1:])} would do, too)" if len(better) > 1 else ""
    raise ModelError(
        f"{file}: nothing in it scales its images. Mean IoU on {TILES} tiles of the "
        f"validation part by the range of the images: {listed}. It was "
        "trained on another range than 0-255. If you know which, name that; if not, "
        f"give --input-range {best}{choice}; in a recipe it is teacher.input_range, in "
        "Python input_range of load_artifact. "
        "--input-range 0-255 leaves the model as it is."
    )


def miou_by_range(
    predict: Callable[[np.ndarray], np.ndarray],
    dataset: Dataset,
    size_px: tuple[int, int],
) -> tuple[dict[InputRange, float], dict[InputRange, bool]]:
    """Mean IoU on a few validation tiles for each range.

    It is also said whether more pixels are right than if all had the commonest class.

    Args:
        predict: images `(batch, height, width, bands)` to logits.
        dataset: data with as many classes as there are logits.
        size_px: height and width of a tile in pixels.
    """
    images, labels = plain_tiles(dataset.val, size_px, TILES)
    ranges = InputRange if images.shape[-1] == 3 else list(InputRange)[:3]
    labelled = np.bincount(labels[labels < dataset.classes.num_classes].ravel())
    commonest = labelled.max(initial=0) / max(1, labelled.sum())
    scores, is_better = {}, {}
    for each in ranges:
        found: npt.NDArray[np.int64] = predict(in_range(images, each)).argmax(-1)
        confusion = ConfusionMatrix(dataset.classes.num_classes)
        confusion.update(labels, found)
        scores[each] = float(np.nan_to_num(confusion.mean_iou()))
        is_better[each] = confusion.pixel_accuracy > commonest
    return scores, is_better
