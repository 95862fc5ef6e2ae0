"""Images without labels, read on request."""

import threading
from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segshrink.data.annotated import AnnotatedImage, ImageAndLabels
from segshrink.data.band_reading import BandReader, leveled, paths_of, reader_of
from segshrink.data.classes import IGNORE_INDEX, UNLABELLED
from segshrink.data.generated import GeneratedImage
from segshrink.data.geotiff import read_window
from segshrink.data.images import SourceFile, read_pixels
from segshrink.errors import DatasetError
from segshrink.progress import Progress
from segshrink.records.bands import Bands


class BrokenImages:
    """Tells of each image that turns out broken when it is decoded, once.

    Args:
        progress: receives a line for each; threads may share it.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._told: set[str] = set()
        self._lock = threading.Lock()

    def tell(self, name: str, error: DatasetError) -> None:
        """Say why the image `name` is broken, unless that was said before."""
        with self._lock:
            is_new = name not in self._told
            self._told.add(name)
        if is_new:
            self._progress.say(f"{error} Until then it counts nothing in training.")


@dataclass(frozen=True, kw_only=True)
class UnlabelledImage(AnnotatedImage):
    """An image without labels.

    Attributes:
        broken: is told if the image cannot be decoded.
    """

    # It does not distinguish images, and prints as an address.
    broken: BrokenImages = field(repr=False, compare=False)

    @abstractmethod
    def read_pixels(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None]:
        """The pixels, and which of them have data.

        Returns:
            (image, has_data): uint8 `(height, width, num_bands)`, and bool `(height,
            width)`; None if all have.

        Raises:
            DatasetError: if the image cannot be decoded.
        """

    def read(self) -> ImageAndLabels:
        """The image, and labels that say that there are none.

        Returns:
            (image, labels): uint8 `(height, width, num_bands)`; uint8
            `(height, width)`, `UNLABELLED`, and `IGNORE_INDEX` where there is no data.
            An image that cannot be decoded is black and without data.
        """
        shape = self.height_px, self.width_px
        try:
            image, has_data = self.read_pixels()
            if image.shape[:2] != shape:
                raise DatasetError(
                    f"{self.name}: its size changed since it was opened. Start again."
                )
        except DatasetError as error:
            self.broken.tell(self.name, error)
            nothing = np.zeros((*shape, self.num_bands), np.uint8)
            return nothing, np.full(shape, IGNORE_INDEX, np.uint8)
        labels = np.full(shape, UNLABELLED, np.uint8)
        if has_data is not None:
            labels[~has_data] = IGNORE_INDEX
        return image, labels

    def count_classes(self, num_classes: int) -> npt.NDArray[np.int64]:
        """Zeros `(num_classes,)`, without decoding the image."""
        return np.zeros(num_classes, np.int64)


@dataclass(frozen=True, kw_only=True)
class UnlabelledFile(UnlabelledImage):
    """An image file without mask."""

    image: SourceFile

    @property
    def bands(self) -> Bands | None:
        """The bands of its file and their scale; None for a plain RGB picture."""
        reader = reader_of(self.image)
        return None if reader is None else reader.bands

    @property
    def image_paths(self) -> tuple[Path, ...]:
        """All files that hold its pixels, of which each may hold one band."""
        return paths_of(self.image)

    def read_pixels(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None]:
        """Decode the file."""
        return read_pixels(self.image)


@dataclass(frozen=True, kw_only=True)
class UnlabelledScene(UnlabelledImage):
    """A generated scene whose labels are not used."""

    generated: GeneratedImage

    def read_pixels(self) -> tuple[npt.NDArray[np.uint8], None]:
        """Draw the scene."""
        return self.generated.read()[0], None


@dataclass(frozen=True, kw_only=True)
class UnlabelledWindow(UnlabelledImage):
    """A rectangle of a georeferenced scene.

    Attributes:
        path: the scene's file.
        scene_shape: its (height, width) in pixels.
        use: numbers of its bands; without a reader those of red, green and blue.
        reader: scales other bands.
        top: first row of the rectangle.
        left: first column.
    """

    path: Path
    scene_shape: tuple[int, int]
    use: tuple[int, ...]
    reader: BandReader | None = None
    top: int
    left: int

    @property
    def bands(self) -> Bands | None:
        """The bands of its file and their scale; None for RGB."""
        return None if self.reader is None else self.reader.bands

    def read_pixels(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None]:
        """Read the rectangle, and where it has data."""
        rows = slice(self.top, self.top + self.height_px)
        columns = slice(self.left, self.left + self.width_px)
        values, valid = read_window(self.path, self.use, rows, columns)
        if self.reader is None:
            return values, valid
        return leveled(self.reader, values, None, valid)
