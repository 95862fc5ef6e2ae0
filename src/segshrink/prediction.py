"""Segment image files and keep the result as pictures."""

from pathlib import Path

import numpy as np
from PIL import Image

from segshrink.data.description import distinct_color
from segshrink.data.images import SourceFile, read_image
from segshrink.records import written_whole
from segshrink.runtimes import Artifact, predict_image

_OVERLAY_OPACITY = 0.45


def segment_file(artifact: Artifact, image_path: Path, out: Path) -> Path:
    """Write `out/NAME.png` (class indices with a palette) and `out/NAME-overlay.png`.

    Args:
        artifact: an opened model file.
        image_path: an image of any size.
        out: folder to write into; made if missing.

    Returns:
        Path of the class-index PNG, as large as the image.

    Raises:
        DatasetError: if the image cannot be read.
    """
    image = read_image(SourceFile(image_path, str(image_path)))
    labels = predict_image(artifact, image).argmax(axis=-1).astype(np.uint8)
    colors = [distinct_color(index) for index in range(artifact.num_classes)]
    mask, overlay = result_paths(image_path, out)
    indexed = Image.fromarray(labels, mode="P")
    indexed.putpalette([value for color in colors for value in color])
    _write(indexed, mask)
    painted = np.array(colors, np.float32)[labels]
    blended = (1 - _OVERLAY_OPACITY) * image + _OVERLAY_OPACITY * painted
    _write(Image.fromarray(blended.astype(np.uint8)), overlay)
    return mask


def result_paths(image_path: Path, out: Path) -> tuple[Path, Path]:
    """Where `segment_file` writes the class-index PNG and the overlay of an image."""
    stem = image_path.stem
    return out / f"{stem}.png", out / f"{stem}-overlay.png"


def _write(picture: Image.Image, path: Path) -> None:
    with written_whole(path) as partial:
        picture.save(partial)
