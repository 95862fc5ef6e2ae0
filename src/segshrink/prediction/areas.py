"""The area that each class covers in each image."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segshrink.records import atomic_write

AREAS = "areas.csv"


@dataclass(frozen=True)
class Areas:
    """The area of each class in one image.

    Attributes:
        pixels: int64 `(classes,)`, number of pixels of each class.
        pixel_m2: square metres that a pixel covers in the plane of its map projection;
            None if that is unknown.
    """

    pixels: np.ndarray
    pixel_m2: float | None = None


def write_areas(
    path: Path, names: Sequence[str], rows: Sequence[tuple[str, Areas]]
) -> None:
    """Write a line for each class of each image.

    Args:
        path: the CSV file.
        names: names of the classes.
        rows: name and areas of each image.
    """
    with (
        atomic_write(path) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(("image", "class", "pixels", "share", "area_m2"))
        for image, areas in rows:
            # A scene may have no pixel with data.
            whole = max(1, int(areas.pixels.sum()))
            for name, count in zip(names, areas.pixels.tolist(), strict=True):
                size = _size(count, areas.pixel_m2)
                writer.writerow((image, name, count, f"{count / whole:.6f}", size))


def _size(count: int, pixel_m2: float | None) -> str:
    return "" if pixel_m2 is None else f"{count * pixel_m2:.4f}"
