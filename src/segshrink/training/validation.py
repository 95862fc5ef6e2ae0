"""Quality of a model in memory on a part of the data, for choosing the best epoch.

Reported figures never come from here: they come from the exported files.
"""

import keras
import numpy as np

from segshrink.data import Part, iter_tiles
from segshrink.errors import DatasetError
from segshrink.objectives import ConfusionMatrix


def validate(
    model: keras.Model, part: Part, *, num_classes: int, tile_px: int, batch_size: int
) -> ConfusionMatrix:
    """Count the model's hits and misses on every pixel of `part`.

    Args:
        model: images `(batch, tile_px, tile_px, 3)` to logits
            `(batch, tile_px, tile_px, num_classes)`.
        part: images to look at; each is cut into a grid of tiles.
        num_classes: number of classes.
        tile_px: height and width of a tile in pixels.
        batch_size: tiles a step; the last step is filled up, since a batch of another
            size would make the backend compile the model again.

    Returns:
        The confusion matrix over all pixels that have a class.

    Raises:
        DatasetError: if no pixel of `part` has a class.
    """
    confusion = ConfusionMatrix(num_classes)
    for images, labels in iter_tiles(part, tile_px=tile_px, batch_size=batch_size):
        count = len(images)
        padding = ((0, batch_size - count), (0, 0), (0, 0), (0, 0))
        logits = model.predict_on_batch(np.pad(images, padding))[:count]
        confusion.update(labels, np.argmax(logits, axis=-1))
    if not confusion.counts.any():
        raise DatasetError(
            f"The {part.name} part ({', '.join(part.scenes)}) has no pixel with a "
            "class, so no epoch can be found to be the best. Split the data otherwise."
        )
    return confusion
