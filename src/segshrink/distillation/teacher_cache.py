"""The teacher's logits, computed once and replayed in every epoch."""

import hashlib
import json
import math
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from segshrink.data import AnnotatedImage, Part, map_by_tiles
from segshrink.data.augmentation import recolored
from segshrink.errors import RunFolderError, UsageError
from segshrink.progress import Progress, SilentProgress
from segshrink.recipe import Augmentation
from segshrink.records import read_json, write_json, written_whole

STRIDES = (1, 2, 4, 8)
_CHOSEN = (4, 8)

_FORMAT = 1
_ABOUT = "about.json"
_BYTES_PER_VALUE = 2  # float16
_LARGEST = float(np.finfo(np.float16).max)
_CHECKSUM_BYTES = 4
_BATCH = 8
_MAPS_OPEN = 1024

# Beyond this zoom the teacher sees other things in the image than it does at the scale
# that it was asked at, so that its answer cannot be resampled.
_WIDEST_ZOOM = 2.0


class TeacherCache:
    """A teacher's raw logits for every image of a part, as float16 files.

    Whole images are stored, so that any crop can be replayed: give the cache to a
    `TileSampler`, and flips, quarter turns and crops of an image are made to its logits
    too, cell by cell; a zoom resamples them. A change of colours is not replayed with
    one view: the target is what the teacher says of the image as it is. With more views
    the teacher is asked of as many colourings of each image, and training takes those.

    The folder belongs to the cache. What is in it is used again if it was made by the
    same teacher, for the same images and in the same way, and is whole; every file is
    written whole and carries a checksum. Anything else is made anew.

    Args:
        folder: where the logits lie or will lie; made by `fill`.
        teacher: images `(batch, tile, tile, 3)` to logits `(batch, tile, tile,
            classes)`; asked in inference mode.
        part: the images.
        stride: side in pixels of the squares whose mean is stored: 1, 2, 4 or 8. None
            takes 4, or 8 where that exceeds the limit: finer ones cost time in each
            step and taught nothing more (docs/distillation.md).
        views: int > 0, colourings of each image.
        photometric: strength of the colourings, see `segshrink.recipe.Augmentation`;
            needed with more than one view.
        seed: int >= 0, of the colourings.
        overlap: share by which the tiles overlap that the teacher is asked of.
        max_bytes: limit of what is stored, in bytes.

    Raises:
        UsageError: if the logits exceed `max_bytes`, or an argument is out of range.

    Example:
        >>> cache = TeacherCache(folder, teacher, dataset.train)
        >>> cache.fill()
        >>> sampler = TileSampler(dataset.train, maps=cache, ...)
    """

    def __init__(
        self,
        folder: Path | str,
        teacher: keras.Model,
        part: Part,
        *,
        stride: int | None = None,
        views: int = 1,
        photometric: float = 0.0,
        seed: int = 0,
        overlap: float = 0.125,
        max_bytes: int = 2 << 30,
    ) -> None:
        _check(stride, views, photometric)
        _, *tile_px, channels = teacher.output_shape
        self.folder = Path(folder)
        self.channels = int(channels)
        self.views = views
        self.stride = stride or _stride_within(max_bytes, part, self.channels, views)
        self.size_bytes = cache_bytes(part, self.channels, self.stride, views)
        if self.size_bytes > max_bytes:
            raise UsageError(
                f"{folder}: the teacher's logits of {len(part)} images need "
                f"{self.size_bytes:,} bytes at stride {self.stride}, more than the "
                f"limit of {max_bytes:,}. Raise the limit or the stride (up to "
                f"{STRIDES[-1]}), or ask the teacher in each step instead."
            )
        self._teacher = teacher
        self._part = part
        self._tile_px = (tile_px[0], tile_px[1])
        self._photometric = photometric
        self._seed = seed
        self._overlap = overlap
        self._open = lru_cache(_MAPS_OPEN)(self._map)
        self.about: dict[str, Any] = {
            "format": _FORMAT,
            "teacher": model_digest(teacher),
            "images": _images_digest(part),
            "tile_px": list(self._tile_px),
            "overlap": overlap,
            "stride": self.stride,
            "views": views,
        }
        if views > 1:
            self.about |= {"photometric": photometric, "seed": seed}

    def get(self, index: int, view: int = 0) -> npt.NDArray[np.float16]:
        """Logits of `part[index]`, `(ceil(height / stride), ..., channels)`.

        Raises:
            RunFolderError: if `fill` has not made them.
        """
        return self._open(index, view)

    def color_generator(self, index: int, view: int) -> np.random.Generator | None:
        """Source of the colours of a view; None for view 0, the image as it is."""
        if view == 0:
            return None
        return np.random.default_rng((self._seed, index, view))

    def fill(self, progress: Progress | None = None) -> int:
        """Ask the teacher of everything that is not there, or not whole.

        It can be killed at any moment; what is finished is kept.

        Args:
            progress: told the size before anything is written, and of every map.

        Returns:
            Number of maps that were made now.

        Raises:
            RunFolderError: if the folder holds something else.
            DatasetError: if an image cannot be decoded.
        """
        progress = progress or SilentProgress()
        self._claim_folder(progress)
        wanted = [(i, v) for i in range(len(self._part)) for v in range(self.views)]
        missing = [place for place in wanted if not self._is_whole(*place)]
        progress.say(self._in_words(len(wanted) - len(missing), len(wanted)))
        self._open.cache_clear()
        if missing:
            progress.start("teacher's logits", len(missing))
            for index, view in missing:
                self._write(index, view)
                progress.advance()
            progress.finish()
        return len(missing)

    def _in_words(self, there: int, wanted: int) -> str:
        done = f", {there} of {wanted} maps are there" if there else ""
        return (
            f"Teacher's logits of {len(self._part)} images: "
            f"{self.size_bytes / 1e6:.1f} MB at stride {self.stride}{done}."
        )

    def _claim_folder(self, progress: Progress) -> None:
        about = self.folder / _ABOUT
        if not about.is_file():
            if self.folder.is_dir() and any(self.folder.iterdir()):
                raise RunFolderError(
                    f"{self.folder}: holds something else than a teacher's logits. "
                    "Name another folder."
                )
            write_json(about, self.about)
            return
        try:
            found = read_json(about)
        except RunFolderError:
            found = None
        if found == self.about:
            return
        keys = sorted(
            key
            for key in self.about.keys() | (found or {}).keys()
            if self.about.get(key) != (found or {}).get(key)
        )
        progress.say(
            f"{self.folder}: other {', '.join(keys)} than now; it is made anew."
        )
        for path in self.folder.glob("*.npy"):
            path.unlink()
        write_json(about, self.about)

    def _path(self, index: int, view: int) -> Path:
        return self.folder / f"{index:06}-{view}.npy"

    def _shape(self, index: int) -> tuple[int, int, int]:
        return (*_cells(self._part[index], self.stride), self.channels)

    def _map(self, index: int, view: int) -> npt.NDArray[np.float16]:
        try:
            found = np.load(self._path(index, view), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise RunFolderError(
                f"{self._path(index, view)}: cannot be read ({error}). Call fill, or "
                "run the same command again."
            ) from error
        return found

    def _is_whole(self, index: int, view: int) -> bool:
        try:
            data = self._path(index, view).read_bytes()
            stored = np.load(self._path(index, view), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return False
        body, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
        return (
            stored.shape == self._shape(index)
            and stored.dtype == np.float16
            and zlib.crc32(body).to_bytes(_CHECKSUM_BYTES, "little") == checksum
        )

    def _write(self, index: int, view: int) -> None:
        image, _ = self._part[index].read()
        colors = self.color_generator(index, view)
        if colors is not None:
            image = recolored(image, self._photometric, colors)
        logits = map_by_tiles(
            self._teacher.predict_on_batch,
            image,
            tile_px=self._tile_px,
            channels=self.channels,
            overlap=self._overlap,
            batch_size=_BATCH,
        )
        stored = np.clip(_block_means(logits, self.stride), -_LARGEST, _LARGEST)
        with written_whole(self._path(index, view)) as partial:
            with partial.open("wb") as file:
                np.lib.format.write_array(file, stored.astype(np.float16))
            # Behind the array, where NumPy does not look.
            checksum = zlib.crc32(partial.read_bytes())
            with partial.open("ab") as file:
                file.write(checksum.to_bytes(_CHECKSUM_BYTES, "little"))


def cache_bytes(part: Part, channels: int, stride: int, views: int = 1) -> int:
    """Bytes of the logits of all images of a part, without the files' headers."""
    cells = sum(math.prod(_cells(image, stride)) for image in part)
    return cells * channels * views * _BYTES_PER_VALUE


def cannot_replay(augmentation: Augmentation) -> str | None:
    """Why a cache cannot stand for the teacher under these changes; None if it can."""
    low, high = augmentation.scale_jitter
    if low < 1 / _WIDEST_ZOOM or high > _WIDEST_ZOOM:
        return (
            f"a zoom of {low:g} to {high:g} shows the teacher more than resampled "
            f"logits can (1/{_WIDEST_ZOOM:g} to {_WIDEST_ZOOM:g})"
        )
    return None


def model_digest(model: keras.Model) -> str:
    """A fingerprint of what a model computes: its configuration and its weights."""
    config = json.dumps(model.get_config(), sort_keys=True, default=str)
    digest = hashlib.sha256(config.encode())
    for values in model.get_weights():
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _check(stride: int | None, views: int, photometric: float) -> None:
    if stride is not None and stride not in STRIDES:
        raise UsageError(f"stride must be one of {STRIDES}, got {stride}.")
    if views < 1:
        raise UsageError(f"views must be at least 1, got {views}.")
    if not 0 <= photometric <= 1:
        raise UsageError(f"photometric must be 0 to 1, got {photometric}.")
    if (views > 1) != (photometric > 0):
        raise UsageError(
            "views and photometric go together: more than one view differs in "
            f"colours, got {views} views and photometric {photometric:g}."
        )


def _stride_within(limit: int, part: Part, channels: int, views: int) -> int:
    for stride in _CHOSEN:
        if cache_bytes(part, channels, stride, views) <= limit:
            return stride
    return STRIDES[-1]


def _cells(image: AnnotatedImage, stride: int) -> tuple[int, int]:
    return math.ceil(image.height_px / stride), math.ceil(image.width_px / stride)


def _block_means(values: np.ndarray, side: int) -> np.ndarray:
    """Means of squares of `side` pixels; those at the lower and right edge may be cut.

    A cut one is the mean of what is there.
    """
    for axis in (0, 1):
        starts = np.arange(0, values.shape[axis], side)
        counts = np.diff(np.append(starts, values.shape[axis])).astype(np.float32)
        counts = np.expand_dims(counts, tuple({0, 1, 2} - {axis}))
        values = np.add.reduceat(values, starts, axis=axis, dtype=np.float32) / counts
    return values


def _images_digest(part: Part) -> str:
    """A fingerprint of the images, without decoding them."""
    digest = hashlib.sha256()
    for image in part:
        stamp = repr(image)
        if image.image_path is not None:
            # Not the path: a data set that moves stays the same.
            stat = image.image_path.stat()
            size = f"{image.height_px}x{image.width_px}"
            stamp = f"{image.name} {size} {stat.st_size} {stat.st_mtime_ns}"
        digest.update(stamp.encode())
    return digest.hexdigest()
