"""The teacher's logits, computed once and replayed in every epoch."""

import io
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segshrink.data import AnnotatedImage, Part
from segshrink.data.augmentation import draw_recoloring, recolored
from segshrink.distillation.digests import images_digest
from segshrink.distillation.logits_source import Teacher, TiledLogits, as_source
from segshrink.errors import RunFolderError, UsageError
from segshrink.progress import Progress, SilentProgress
from segshrink.recipe import Augmentation
from segshrink.records import atomic_write, locked, read_json
from segshrink.records.teacher_logits import TEACHER_LOGITS, TeacherLogitsRecord

STRIDES = (1, 2, 4, 8)
_CHOSEN = (4, 8)

_RECORD = "about.json"
_BYTES_PER_VALUE = 2  # float16
_LARGEST = float(np.finfo(np.float16).max)
_CHECKSUM_BYTES = 4
# Each map holds a file open, of which a process may have 256 on some systems.
_MAPS_OPEN = 64

# Names of files that a cache writes, or was killed while writing.
_OWN_FILES = re.compile(r"(\.partial-)?(about\.json|\d{6,}-\d+\.npy)")

# Beyond this zoom the teacher sees other things in the image than at the scale of the
# stored logits, so that those cannot be resampled.
_WIDEST_ZOOM = 2.0


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """Which logits of a teacher are stored, and how finely.

    Attributes:
        stride: side in pixels of the squares whose mean is stored: 1, 2, 4 or 8. None
            takes 4, or 8 where that exceeds the limit: finer ones cost time in each
            step.
        views: int > 0, colourings of each image.
        photometric: strength of the colourings, see `segshrink.recipe.Augmentation`;
            needed with more than one view.
        seed: int >= 0, of the colourings.
        overlap: share by which the tiles of an image overlap.
        averaged: store means over the flips and quarter turns of each tile, which takes
            eight times as many predictions, see `predict_augmented`.
        max_bytes: limit of the stored logits, in bytes.

    Raises:
        UsageError: if a value is out of range.
    """

    stride: int | None = None
    views: int = 1
    photometric: float = 0.0
    seed: int = 0
    overlap: float = 0.125
    averaged: bool = False
    max_bytes: int = 2 << 30

    def __post_init__(self) -> None:
        if self.stride is not None and self.stride not in STRIDES:
            raise UsageError(f"stride must be one of {STRIDES}, got {self.stride}.")
        if self.views < 1:
            raise UsageError(f"views must be at least 1, got {self.views}.")
        if not 0 <= self.photometric <= 1:
            raise UsageError(f"photometric must be 0 to 1, got {self.photometric}.")
        if (self.views > 1) != (self.photometric > 0):
            raise UsageError(
                "views and photometric go together: more than one view differs in "
                f"colours, got {self.views} views and photometric "
                f"{self.photometric:g}."
            )
        if not 0 <= self.overlap <= 0.9:
            raise UsageError(f"overlap must be 0 to 0.9, got {self.overlap}.")
        if self.seed < 0:
            raise UsageError(f"seed must be at least 0, got {self.seed}.")

    def stride_for(self, part: Part, channels: int) -> int:
        """The stride; if none is set, the finest default that keeps the limit."""
        if self.stride is not None:
            return self.stride
        for stride in _CHOSEN:
            if cache_bytes(part, channels, stride, self.views) <= self.max_bytes:
                return stride
        return STRIDES[-1]


class TeacherCache:
    """A teacher's raw logits for every image of a part, as float16 files.

    Whole images are stored, so that any crop can be replayed: give the cache to a
    `TileSampler`, and the flips, quarter turns and crops of an image are applied to its
    logits too, cell by cell; a zoom resamples them. A change of colours is not replayed
    with one view: the target is the prediction for the unchanged image. With more views
    the teacher predicts as many colourings of each image, and training uses those.

    The folder belongs to the cache. Its files are reused if they were made by the same
    teacher, for the same images and with the same settings, and are undamaged; every
    file is written atomically and carries a checksum. Anything else is rebuilt.

    Args:
        folder: folder of the logits; `fill` creates it.
        teacher: images `(batch, tile, tile, bands)` to logits `(batch, tile, tile,
            classes)`, which runs in inference mode; or another source of logits.
        part: the images.
        settings: stride, views and limit.

    Raises:
        UsageError: if the logits exceed the limit, or the settings ask for views or
            means of logits that are stored already.

    Example:
        >>> cache = TeacherCache(folder, teacher, dataset.train)
        >>> cache.fill()
        >>> sampler = TileSampler(dataset.train, settings, seed=0, maps=cache)
    """

    def __init__(
        self,
        folder: Path | str,
        teacher: Teacher,
        part: Part,
        settings: CacheSettings | None = None,
    ) -> None:
        settings = settings or CacheSettings()
        source = as_source(teacher)
        self.folder = Path(folder)
        self.settings = settings
        self.channels = source.num_classes
        self.views = settings.views
        self.stride = settings.stride_for(part, self.channels)
        self.size_bytes = cache_bytes(part, self.channels, self.stride, self.views)
        if self.size_bytes > settings.max_bytes:
            raise UsageError(
                f"{folder}: the teacher's logits of {len(part)} images need "
                f"{self.size_bytes:,} bytes at stride {self.stride}, more than the "
                f"limit of {settings.max_bytes:,}. Raise the limit or the stride (up "
                f"to {STRIDES[-1]}), or run the teacher in each step instead."
            )
        if source.is_stored and (settings.views > 1 or settings.averaged):
            raise UsageError(
                "views and averaged have no effect on predictions from a folder, which "
                "are for the images as they are. Drop cache_views and cache_averaged."
            )
        self._source = source
        self._part = part
        self._open = lru_cache(_MAPS_OPEN)(self._map)
        self._ready = False

    def _record(self) -> TeacherLogitsRecord:
        """Everything that the logits depend on, as it is now."""
        record = TeacherLogitsRecord(
            kind=TEACHER_LOGITS,
            teacher=self._source.digest(),
            images=images_digest(self._part),
            overlap=self.settings.overlap,
            stride=self.stride,
            views=self.views,
        )
        added: dict[str, float | int | bool | tuple[int, int]] = {}
        if self._source.tile_px:
            added["tile_px"] = self._source.tile_px
        if self.views > 1:
            added["photometric"] = self.settings.photometric
            added["seed"] = self.settings.seed
        if self.settings.averaged:
            added["averaged"] = True
        return record.model_copy(update=added)

    def get(self, index: int, view: int = 0) -> npt.NDArray[np.float16]:
        """Logits of `part[index]`, `(ceil(height / stride), ..., channels)`.

        Raises:
            RunFolderError: if `fill` has not made them.
        """
        if not self._ready:
            if self._stored_record() != self._record().as_plain():
                raise RunFolderError(
                    f"{self.folder}: does not hold the logits of this teacher for "
                    "these images. Call fill, or run the same command again."
                )
            self._ready = True
        return self._open(index, view)

    def color_generator(self, index: int, view: int) -> np.random.Generator | None:
        """Source of the colours of a view; None for view 0, the unchanged image."""
        if view == 0:
            return None
        return np.random.default_rng((self.settings.seed, index, view))

    def fill(self, progress: Progress | None = None) -> int:
        """Compute all logits that are missing or damaged.

        It can be killed at any moment; finished files are kept. Of several processes
        that fill one folder the first does it, and the others wait.

        Args:
            progress: receives the size before anything is written, and every map.

        Returns:
            Number of maps that were computed now.

        Raises:
            RunFolderError: if the folder holds something else.
            DatasetError: if an image cannot be read.
        """
        with locked(self.folder.with_name(f".{self.folder.name}.lock")):
            return self._fill(progress or SilentProgress())

    def _fill(self, progress: Progress) -> int:
        self._ready = False
        self._open.cache_clear()
        stored, record = self._stored_record(), self._record()
        current = record.as_plain()
        places = [(i, v) for i in range(len(self._part)) for v in range(self.views)]
        missing = places
        if stored == current:
            missing = [place for place in places if not self._is_whole(*place)]
        elif stored:
            keys = sorted(
                key
                for key in current.keys() | stored.keys()
                if current.get(key) != stored.get(key)
            )
            progress.say(
                f"{self.folder}: other {', '.join(keys)} than now; it is rebuilt."
            )
        progress.say(self._in_words(len(places) - len(missing), len(places)))
        if stored != current:
            for path in self.folder.glob("*.npy"):
                path.unlink()
            record.write(self.folder / _RECORD)
        if missing:
            progress.start("teacher's logits", len(missing))
            for place, logits in zip(missing, self._predict(missing), strict=True):
                self._write(*place, logits)
                progress.advance()
            progress.finish()
        return len(missing)

    def _in_words(self, there: int, needed: int) -> str:
        done = f", {there} of {needed} maps are there" if there else ""
        return (
            f"Teacher's logits of {len(self._part)} images: "
            f"{self.size_bytes / 1e6:.1f} MB at stride {self.stride}{done}."
        )

    def _stored_record(self) -> dict[str, object] | None:
        """Record in the folder, as JSON; None if the folder is new or it is damaged.

        It is compared whole, so that a field of a newer version counts too.

        Raises:
            RunFolderError: if the folder holds something else.
        """
        if not self.folder.exists():
            return None
        is_folder = self.folder.is_dir()
        names = [x.name for x in self.folder.iterdir()] if is_folder else [""]
        stored: object = None
        if _RECORD in names:
            with suppress(RunFolderError):
                stored = read_json(self.folder / _RECORD)
        record = stored if isinstance(stored, dict) and stored else None
        is_own = record is None or record.get("kind") == TEACHER_LOGITS
        # The names of other files tell a damaged record from a foreign file.
        if not is_own or not all(map(_OWN_FILES.fullmatch, names)):
            raise RunFolderError(
                f"{self.folder}: holds something else than a teacher's logits. "
                "Name another folder."
            )
        return record

    def _path(self, index: int, view: int) -> Path:
        return self.folder / f"{index:06}-{view}.npy"

    def _shape(self, index: int) -> tuple[int, int, int]:
        return (*_cells(self._part[index], self.stride), self.channels)

    def _map(self, index: int, view: int) -> npt.NDArray[np.float16]:
        path = self._path(index, view)
        try:
            stored = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise RunFolderError(
                f"{path}: cannot be read ({error}). Call fill, or run the same command "
                "again."
            ) from error
        if stored.shape != self._shape(index):
            raise RunFolderError(
                f"{path}: holds {stored.shape} logits, not {self._shape(index)}: "
                "another run fills the same folder. Give each a folder of its own."
            )
        return stored

    def _is_whole(self, index: int, view: int) -> bool:
        try:
            data = self._path(index, view).read_bytes()
        except OSError:
            return False
        body, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
        # The checksum comes first, since a damaged header can raise any error.
        if _checksum(index, view, body) != checksum:
            return False
        stored = np.lib.format.read_array(io.BytesIO(body), allow_pickle=False)
        return stored.shape == self._shape(index) and stored.dtype == np.float16

    def _write(self, index: int, view: int, logits: np.ndarray) -> None:
        stored = np.clip(_block_means(logits, self.stride), -_LARGEST, _LARGEST)
        with atomic_write(self._path(index, view)) as unfinished:
            with unfinished.open("wb") as file:
                np.lib.format.write_array(file, stored.astype(np.float16))
            # The checksum follows the array, where NumPy does not read it.
            checksum = _checksum(index, view, unfinished.read_bytes())
            with unfinished.open("ab") as file:
                file.write(checksum)

    def _predict(self, places: Sequence[tuple[int, int]]) -> Iterator[np.ndarray]:
        """Logits of views of images, by index and view."""
        overlap, averaged = self.settings.overlap, self.settings.averaged
        pixels = (self._pixels(*place) for place in places)
        if isinstance(self._source, TiledLogits):
            yield from self._source.logits_of_all(
                pixels, overlap=overlap, averaged=averaged
            )
            return
        for (index, _), image in zip(places, pixels, strict=True):
            yield self._source.logits(
                self._part[index], image, overlap=overlap, averaged=averaged
            )

    def _pixels(self, index: int, view: int) -> npt.NDArray[np.uint8]:
        image, _ = self._part[index].read()
        colors = self.color_generator(index, view)
        if colors is None:
            return image
        strength, num_bands = self.settings.photometric, image.shape[-1]
        return recolored(image, draw_recoloring(strength, colors, num_bands))


def _checksum(index: int, view: int, body: bytes) -> bytes:
    """Checksum of a file and its place, so that a misplaced file is noticed."""
    number = zlib.crc32(body, zlib.crc32(f"{index}-{view}".encode()))
    return number.to_bytes(_CHECKSUM_BYTES, "little")


def cache_bytes(part: Part, channels: int, stride: int, views: int = 1) -> int:
    """Bytes of the logits of all images of a part, without the files' headers."""
    cells = sum(math.prod(_cells(image, stride)) for image in part)
    return cells * channels * views * _BYTES_PER_VALUE


def cannot_replay(augmentation: Augmentation) -> str | None:
    """Reason why a cache cannot replace the teacher under an augmentation, or None."""
    low, high = augmentation.scale_jitter
    if low < 1 / _WIDEST_ZOOM or high > _WIDEST_ZOOM:
        return (
            f"a zoom of {low:g} to {high:g} shows the teacher more than resampled "
            f"logits can (1/{_WIDEST_ZOOM:g} to {_WIDEST_ZOOM:g})"
        )
    return None


def _cells(image: AnnotatedImage, stride: int) -> tuple[int, int]:
    return math.ceil(image.height_px / stride), math.ceil(image.width_px / stride)


def _block_means(values: np.ndarray, side: int) -> np.ndarray:
    """Means of squares of `side` pixels.

    A square that the lower or right edge cuts has the mean of its remaining pixels.
    """
    for axis in (0, 1):
        starts = np.arange(0, values.shape[axis], side)
        counts = np.diff(np.append(starts, values.shape[axis])).astype(np.float32)
        counts = np.expand_dims(counts, tuple({0, 1, 2} - {axis}))
        values = np.add.reduceat(values, starts, axis=axis, dtype=np.float32) / counts
    return values
