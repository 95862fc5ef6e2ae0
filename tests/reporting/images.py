"""Scores by image for the made-up records of reports."""

import copy
from typing import Any

import numpy as np

from segshrink.metrics import ConfusionMatrix


def with_images(
    record: dict[str, Any], rights: list[float], *, scenes: int = 0, seed: int = 0
) -> dict[str, Any]:
    """The record with images of which shares of the pixels are right.

    Args:
        record: of a measurement.
        rights: share of right pixels of each image.
        scenes: number of scenes; by default each image is one.
        seed: of the pixels, which are the same for records of the same seed.
    """
    record = copy.deepcopy(record)
    names = [each["name"] for each in record["quality"]["classes"]]
    total, images = ConfusionMatrix(len(names)), []
    for index, right in enumerate(rights):
        random = np.random.default_rng((seed, index))
        labels = random.integers(0, len(names) - 1, 5000)
        wrong = random.random(5000) > right
        predictions = np.where(wrong, (labels + 1) % (len(names) - 1), labels)
        own = ConfusionMatrix(len(names))
        own.update(labels, predictions)
        total.add(own)
        counts = zip(
            own.true_pixels, own.predicted_pixels, own.counts.diagonal(), strict=True
        )
        images.append(
            {
                "index": index,
                "image": f"Tile 2/image_part_{index:03d}",
                "scene": f"s{index % scenes if scenes else index}",
                "mean_iou": own.mean_iou(),
                "pixel_accuracy": own.pixel_accuracy,
                "counts": [
                    [label, *map(int, each)]
                    for label, each in enumerate(counts)
                    if any(each)
                ],
            }
        )
    images.sort(key=lambda each: each["mean_iou"])
    plain = total.as_record(names)
    record["quality"] |= {
        **plain,
        "images": len(rights),
        "confusion": total.counts.tolist(),
        "by_image": images,
    }
    return record
