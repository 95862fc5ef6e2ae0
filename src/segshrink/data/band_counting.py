"""The range of values of each band, counted over the training part.

Integers go from 0, or the smallest value if it is below, to the largest. If that is
more than twice the 99.9th percentile, a few pixels would take most grey levels, and the
percentile counts instead. Floats go from their 0.1th to their 99.9th percentile.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from segshrink.data.annotated import AnnotatedImage, ImageFile, Part
from segshrink.data.band_reading import BandReader, reader_of
from segshrink.data.images import SourceFile
from segshrink.data.rasters import read_raster_header
from segshrink.progress import Progress
from segshrink.records.bands import Range

_LOW, _HIGH = 0.1, 99.9
_DEVIATIONS = 3
_UNSCALED = (0.0, 255.0)

# Floats of which percentiles are taken, evenly spread over each image.
_SAMPLED_PER_IMAGE = 1 << 16


def counted_reader(
    train: Part, deviations: bool, progress: Progress
) -> tuple[BandReader | None, tuple[str, ...]]:
    """The reader of the images of a data set, with the scale of its training part.

    Args:
        train: the training part.
        deviations: whether three standard deviations around the mean of each band
            become 0 to 255.
        progress: receives each image that is read.

    Returns:
        (reader, notices): None if images are plain pictures or have a scale; a notice
        tells the scale.

    Raises:
        DatasetError: if an image cannot be read.
    """
    files = [image.image for image in train if isinstance(image, ImageFile)]
    reader = reader_of_part(train)
    if reader is None or reader.scale is not None:
        return None, ()
    scale = _counted(files, reader, deviations, progress)
    scaled = reader.with_scale(scale)
    return scaled, () if set(scale) == {_UNSCALED} else (_notice(scaled),)


def reader_of_part(part: Part) -> BandReader | None:
    """The reader of the files of a part; None if they are plain pictures."""
    first = next((image for image in part if isinstance(image, ImageFile)), None)
    return None if first is None else reader_of(first.image)


def with_reader(part: Part, reader: BandReader) -> Part:
    """The part, its files read by these bands and this scale."""
    return Part(part.name, (_read_by(image, reader) for image in part), part.classes)


def _read_by(image: AnnotatedImage, reader: BandReader) -> AnnotatedImage:
    if not isinstance(image, ImageFile):
        return image
    file = replace(image.image, reader=reader)
    return replace(image, image=file, num_bands=len(reader.use))


def _notice(reader: BandReader) -> str:
    return (
        f"Grey levels are counted over the training part: {reader.bands.shown()}. "
        "Exported files carry this; `bands: {scale: [...]}` in dataset.yaml sets it."
    )


def _counted(
    files: Sequence[SourceFile],
    reader: BandReader,
    deviations: bool,
    progress: Progress,
) -> tuple[Range, ...]:
    if not deviations and not any(_is_deep(file, reader) for file in files):
        return (_UNSCALED,) * len(reader.use)
    numbers = sorted(set(reader.use))
    counts = [_BandCount() for _ in numbers]
    progress.start("counting grey levels", len(files))
    for file in files:
        values, lacking = replace(reader, use=tuple(numbers)).numbers(file)
        for band, count in enumerate(counts):
            own = values[..., band]
            count.add(own.ravel() if lacking is None else own[~lacking[..., band]])
        progress.advance()
    progress.finish()
    ranges = [count.deviations() if deviations else count.range() for count in counts]
    return tuple(ranges[numbers.index(number)] for number in reader.use)


def _is_deep(file: SourceFile, reader: BandReader) -> bool:
    header = reader.raster_header(file) if reader.files else read_raster_header(file)
    return header.is_deep


@dataclass
class _BandCount:
    """Values of one band, without those that are no data.

    Attributes:
        count: their number.
        total: their sum.
        squares: sum of their squares about `center`.
        center: a value near all, so that squares lose no digits.
        by_value: pixels of each integer of up to 16 bits, from -32768 on.
        sampled: some of the others.
        least: the smallest value.
        most: the largest value.
    """

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    center: float | None = None
    by_value: npt.NDArray[np.int64] | None = None
    sampled: list[npt.NDArray[np.float64]] = field(default_factory=list)
    least: float = math.inf
    most: float = -math.inf

    def add(self, values: npt.NDArray) -> None:
        """Add the values of one image, `(pixels,)`."""
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
        if not values.size:
            return
        self.least = min(self.least, float(values.min()))
        self.most = max(self.most, float(values.max()))
        if self.center is None:
            self.center = float(values[0])
        moved = values.astype(np.float64) - self.center
        self.count += values.size
        self.total += float(moved.sum())
        self.squares += float((moved * moved).sum())
        if values.dtype.kind in "iu" and values.dtype.itemsize <= 2:
            found = np.bincount(
                values.astype(np.int64) + 32768, minlength=32768 + 65536
            )
            self.by_value = found if self.by_value is None else self.by_value + found
        else:
            step = -(-values.size // _SAMPLED_PER_IMAGE)
            self.sampled.append(values[::step].astype(np.float64))

    def range(self) -> Range:
        """The values that become 0 and 255."""
        if not self.count:
            return _UNSCALED
        low, high = self._percentiles()
        if self.by_value is not None:
            low = min(0.0, _robust(self.least, low))
            high = _robust(self.most, high)
        return _apart(low, high)

    def deviations(self) -> Range:
        """Three standard deviations below and above the mean."""
        if not self.count or self.center is None:
            return _UNSCALED
        mean = self.total / self.count
        variance = max(0.0, self.squares / self.count - mean * mean)
        reach = _DEVIATIONS * math.sqrt(variance)
        return _apart(self.center + mean - reach, self.center + mean + reach)

    def _percentiles(self) -> tuple[float, float]:
        if self.by_value is None:
            low, high = np.percentile(np.concatenate(self.sampled), (_LOW, _HIGH))
            return float(low), float(high)
        reached = np.cumsum(self.by_value)
        places = [
            np.searchsorted(reached, p / 100 * reached[-1]) for p in (_LOW, _HIGH)
        ]
        low, high = (float(place) - 32768 for place in places)
        return low, high


def _robust(extreme: float, percentile: float) -> float:
    """The extreme value, or a percentile that is less than half of it."""
    return percentile if 2 * abs(percentile) < abs(extreme) else extreme


def _apart(low: float, high: float) -> Range:
    return (low, high) if high > low else (low, low + 1)
