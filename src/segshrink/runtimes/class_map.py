"""Files that give the class of each pixel, and not its logits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segshrink.errors import ModelError, UsageError
from segshrink.records.metadata import FileMetadata
from segshrink.runtimes.artifact import (
    Artifact,
    Signature,
    checked_images,
    checked_signature,
    running,
)
from segshrink.runtimes.outputs import OutputKind
from segshrink.runtimes.whole_image import likeliest_classes


def class_map_signature(
    path: Path, takes: tuple, gives: tuple, metadata: FileMetadata | None
) -> Signature:
    """The signature of a file that gives class indices `(1, height, width)`.

    Args:
        path: the file.
        takes: shape of its input, as for `checked_signature`.
        gives: shape of its output.
        metadata: metadata of the file, which say how many classes there are.

    Raises:
        ModelError: as `checked_signature`, and if the number of classes is unknown.
    """
    metadata = metadata or FileMetadata()
    count = metadata.num_classes or len(metadata.classes)
    if not count:
        raise ModelError(
            f"{path}: gives the class of each pixel, but does not say how many classes "
            "there are. Export it with segshrink, or let it give logits."
        )
    signature = checked_signature(path, takes, (*gives, count))
    return replace(signature, output=OutputKind.CLASSES, gives_channels_first=False)


def gives_classes(artifact: Artifact) -> bool:
    """Whether a file gives the class of each pixel alone, without a score."""
    return artifact.signature.output is OutputKind.CLASSES


def require_scores(artifact: Artifact, purpose: str) -> None:
    """Refuse a file that gives classes alone.

    Args:
        artifact: an opened model file.
        purpose: what needs more, such as `"--confidence"`.

    Raises:
        UsageError: for such a file.
    """
    if gives_classes(artifact):
        raise UsageError(
            f"{artifact.path}: gives the class of each pixel alone, but {purpose} "
            "needs to know how likely it is. Export the model with --output logits or "
            "--output probabilities."
        )


def predict_classes(artifact: Artifact, images: np.ndarray) -> npt.NDArray[np.uint8]:
    """The most likely class of each pixel of a batch.

    Args:
        artifact: an opened model file.
        images: as for `Artifact.predict`.

    Returns:
        uint8 `(batch, height, width)`.
    """
    if not gives_classes(artifact):
        return np.stack([likeliest_classes(x) for x in artifact.predict(images)])
    images = checked_images(images, artifact.input_shape, artifact.num_bands)
    classes = np.empty(images.shape[:3], np.uint8)
    for index, image in enumerate(images):
        with running(artifact.path):
            classes[index] = artifact.run(artifact.signature.as_input(image))[0]
    return classes
