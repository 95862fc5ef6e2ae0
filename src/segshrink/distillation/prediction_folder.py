"""A folder of predictions as a teacher: hard masks, or soft arrays."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segshrink.data import IGNORE_INDEX, AnnotatedImage, Classes
from segshrink.data.images import SourceFile
from segshrink.data.masks import read_mask, to_labels
from segshrink.data.names import composed, pairing_stem
from segshrink.distillation.logits_source import are_probabilities, log_probabilities
from segshrink.errors import DatasetError
from segshrink.reading import DAMAGED_ARRAY
from segshrink.records import sha256_of

_MASK_SUFFIX = ".png"
_ARRAY_SUFFIXES = (".npy", ".npz")
SUFFIXES = (_MASK_SUFFIX, *_ARRAY_SUFFIXES)
# A mask does not say how certain it is.
_CERTAINTY = 0.9
_SHOWN = 3


class FolderLogits:
    """Predictions of images of the same names, as a source of logits.

    A file belongs to the image of its name, where the folders that are part of the
    image's name come first: `north/view.png` and `north/masks/view.png` to
    `north/view`. A `.png` is hard: a mask of colours or indices, read as the masks of
    the data set; its class has probability 0.9 and the others share the rest. A `.npy`
    or `.npz` is soft: one float array `(height, width, classes)`, of probabilities if
    all are in [0, 1] and sum to 1 at every pixel, else of logits. See `LogitsSource`.

    Args:
        folder: folder of predictions.
        classes: classes of the data set, whose order those of the arrays must have.

    Raises:
        DatasetError: if the folder holds no predictions.
    """

    tile_px = None
    is_stored = True

    def __init__(self, folder: Path, classes: Classes) -> None:
        self.folder = folder
        self.classes = classes
        self.num_classes = classes.num_classes
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
                self._by_stem[pairing_stem(path)].append(path)
        if not self._by_stem:
            raise DatasetError(
                f"{folder}: holds no predictions ({', '.join(SUFFIXES)}). Name a "
                "folder with one of the same name for each training image."
            )

    def require_all(self, images: Sequence[AnnotatedImage]) -> tuple[int, int]:
        """Number of hard and of soft predictions of some images.

        Raises:
            DatasetError: if an image has no prediction, or several.
        """
        missing = [image.name for image in images if not self._matching(image)]
        if missing:
            rest = f" and {len(missing) - _SHOWN} more" * (len(missing) > _SHOWN)
            raise DatasetError(
                f"{self.folder}: has no prediction for {len(missing)} of "
                f"{len(images)} images ({', '.join(missing[:_SHOWN])}{rest}). Add a "
                f"file of the same name ({', '.join(SUFFIXES)}) for each."
            )
        paths = [self._path(image) for image in images]
        hard = sum(path.suffix.lower() == _MASK_SUFFIX for path in paths)
        return hard, len(paths) - hard

    def digest(self) -> str:
        """Digest of the names and the bytes of all files, and of the classes."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256(repr(self.classes).encode())
        for path in sorted(path for paths in self._by_stem.values() for path in paths):
            name = path.relative_to(self.folder).as_posix()
            digest.update(f"{name} {sha256_of(path)}".encode())
        return digest.hexdigest()

    def logits(
        self,
        image: AnnotatedImage,
        pixels: np.ndarray,
        *,
        overlap: float,
        averaged: bool,
    ) -> npt.NDArray[np.float32]:
        """Logits of the file of an image; see `LogitsSource.logits`.

        Raises:
            DatasetError: if the file is missing, cannot be read, has another size, or
                says nothing for a pixel.
        """
        path = self._path(image)
        is_mask = path.suffix.lower() == _MASK_SUFFIX
        logits = self._hard(path) if is_mask else self._soft(path)
        if logits.shape[:2] != pixels.shape[:2]:
            raise DatasetError(
                f"{path}: is {logits.shape[0]} x {logits.shape[1]} pixels (height x "
                f"width), but the image {image.name} is {pixels.shape[0]} x "
                f"{pixels.shape[1]}. Predict the whole image."
            )
        return logits

    def _matching(self, image: AnnotatedImage) -> list[Path]:
        *folders, stem = image.name.split("/")
        found = [
            path
            for path in self._by_stem.get(stem, ())
            if self._folders_of(path)[: len(folders)] == folders
        ]
        exact = [path for path in found if self._folders_of(path) == folders]
        return exact or found

    def _folders_of(self, path: Path) -> list[str]:
        parents = path.relative_to(self.folder).parent.parts
        return [composed(name) for name in parents]

    def _path(self, image: AnnotatedImage) -> Path:
        found = self._matching(image)
        if len(found) != 1:
            names = ", ".join(map(str, found)) or "none"
            raise DatasetError(
                f"{self.folder}: the image {image.name} must have one prediction, "
                f"got {names}. Keep one file of its name."
            )
        return found[0]

    def _hard(self, path: Path) -> npt.NDArray[np.float32]:
        file = SourceFile(path, str(path), is_paired=False)
        runs = read_mask(file, by_index=self.classes.by_index)
        labels = to_labels(runs, self.classes, file)
        if (labels == IGNORE_INDEX).any():
            raise DatasetError(
                f"{path}: {(labels == IGNORE_INDEX).sum()} pixels are void, but a "
                "teacher gives each pixel a class. Predict those pixels too, or write "
                "probabilities as .npy."
            )
        # Of two classes or more: others are refused where the data is opened.
        others = (1 - _CERTAINTY) / (self.num_classes - 1)
        table = np.full((self.num_classes, self.num_classes), others, np.float32)
        np.fill_diagonal(table, _CERTAINTY)
        return log_probabilities(table)[labels]

    def _soft(self, path: Path) -> npt.NDArray[np.float32]:
        values = _read_array(path)
        if (
            values.dtype.kind != "f"
            or values.ndim != 3
            or values.shape[2] != self.num_classes
        ):
            raise DatasetError(
                f"{path}: must hold floats (height, width, {self.num_classes}) for "
                f"{', '.join(self.classes.names)}, got {values.dtype} {values.shape}."
            )
        if not np.isfinite(values).all():
            raise DatasetError(
                f"{path}: holds values that are not finite. Predict the image again."
            )
        values = values.astype(np.float32)
        return log_probabilities(values) if are_probabilities(values) else values


def _read_array(path: Path) -> np.ndarray:
    """The array of a `.npy` file, or the only one of a `.npz`; nothing is unpickled."""
    try:
        content = np.load(path, allow_pickle=False)
        if not isinstance(content, np.lib.npyio.NpzFile):
            return np.asarray(content)
        with content:
            if len(content.files) == 1:
                return np.asarray(content[content.files[0]])
            names = ", ".join(content.files) or "none"
    except DAMAGED_ARRAY as error:
        raise DatasetError(
            f"{path}: cannot be read as an array of numbers ({error}). Write it with "
            "numpy.save."
        ) from error
    raise DatasetError(f"{path}: must hold one array, got {names}. Keep the soft one.")
