"""Classes by colour alone: the least that a trained model must beat."""

import numpy as np
import numpy.typing as npt

from segshrink.data import Classes, Part
from segshrink.errors import UsageError
from segshrink.measuring.quality import image_quality, quality_of
from segshrink.metrics import ConfusionMatrix
from segshrink.progress import Progress, SilentProgress
from segshrink.records.measurement import Quality

# Levels per band, of the first bands: 4096 colours, of which each is seen often.
_LEVELS = 16
_MOST_BANDS = 3
_MOST_IMAGES = 64


def measure_color_prior(
    train: Part, part: Part, classes: Classes, *, progress: Progress | None = None
) -> Quality:
    """Scores of a classifier that knows nothing but the colour of each pixel.

    It gives a pixel the class that is commonest among the training pixels of the same
    colour, in 16 levels of each of the first three bands; and of all training pixels
    for a colour that never occurred. It looks at up to 64 training images, spread
    evenly.

    Args:
        train: images to learn from.
        part: images to score.
        classes: the classes of the data set.
        progress: receives every image.

    Raises:
        UsageError: if a part is empty.
    """
    for each in (train, part):
        if len(each) == 0:
            raise UsageError(f"the part {each.name!r} has no images to measure on.")
    progress = progress or SilentProgress()
    count = min(len(train), _MOST_IMAGES)
    chosen = np.linspace(0, len(train) - 1, count).round().astype(int)
    progress.start("classes by colour alone", count + len(part))
    class_of = _class_of_color(train, chosen.tolist(), classes.num_classes, progress)
    confusion, by_image = ConfusionMatrix(classes.num_classes), []
    for index, image in enumerate(part):
        pixels, labels = image.read()
        own = ConfusionMatrix(classes.num_classes)
        own.update(labels, class_of[_colors(pixels)])
        confusion.add(own)
        by_image.append(image_quality(index, image, own))
        progress.advance(miou=confusion.mean_iou())
    progress.finish()
    return quality_of(part, classes, confusion, by_image)


def _class_of_color(
    train: Part, chosen: list[int], num_classes: int, progress: Progress
) -> npt.NDArray[np.intp]:
    counts = np.zeros((_LEVELS**_MOST_BANDS, num_classes), np.int64)
    for index in chosen:
        pixels, labels = train[index].read()
        valid = labels < num_classes
        cells = _colors(pixels)[valid] * num_classes + labels[valid]
        counts += np.bincount(cells, minlength=counts.size).reshape(counts.shape)
        progress.advance()
    # A colour that never occurred is decided by all pixels, any other by its own.
    of_all = counts.sum(axis=0)
    return np.where(counts.any(axis=1), counts.argmax(axis=1), of_all.argmax())


def _colors(pixels: np.ndarray) -> npt.NDArray[np.intp]:
    """One number per pixel, `(height, width)`, from uint8 `(height, width, bands)`."""
    levels = pixels[..., :_MOST_BANDS].astype(np.intp) * _LEVELS // 256
    colors = np.zeros(levels.shape[:-1], np.intp)
    for band in range(levels.shape[-1]):
        colors = colors * _LEVELS + levels[..., band]
    return colors
