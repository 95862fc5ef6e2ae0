"""The teacher's logits, computed once and replayed in every epoch."""

import hashlib
import io
import json
import math
import re
import sys
import zlib
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from segshrink.data import AnnotatedImage, Part, SlidingWindow, map_by_tiles
from segshrink.data.augmentation import draw_recoloring, recolored
from segshrink.distillation.test_time_augmentation import mean_over_poses
from segshrink.errors import DatasetError, RunFolderError, UsageError
from segshrink.progress import Progress, SilentProgress
from segshrink.recipe import Augmentation
from segshrink.records import atomic_write, locked, read_json, write_json

STRIDES = (1, 2, 4, 8)
_CHOSEN = (4, 8)

_KIND = "segshrink teacher's logits, format 1"
_ABOUT = "about.json"
_BYTES_PER_VALUE = 2  # float16
_LARGEST = float(np.finfo(np.float16).max)
_CHECKSUM_BYTES = 4
_BATCH = 8
# Each holds a file open, of which a process may have 256 on some systems.
_MAPS_OPEN = 64

# Names of files that a cache writes, or was killed while writing.
_OURS = re.compile(r"(\.partial-)?(about\.json|\d{6,}-\d+\.npy)")

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
            step.
        views: int > 0, colourings of each image.
        photometric: strength of the colourings, see `segshrink.recipe.Augmentation`;
            needed with more than one view.
        seed: int >= 0, of the colourings.
        overlap: share by which the tiles overlap that the teacher is asked of.
        averaged: take means over the flips and quarter turns of each tile, which asks
            the teacher of eight times as many, see `mean_over_poses`.
        max_bytes: limit of what is stored, in bytes.

    Raises:
        UsageError: if the logits exceed `max_bytes`, or an argument is out of range.

    Example:
        >>> cache = TeacherCache(folder, teacher, dataset.train)
        >>> cache.fill()
        >>> sampler = TileSampler(dataset.train, settings, seed=0, maps=cache)
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
        averaged: bool = False,
        max_bytes: int = 2 << 30,
    ) -> None:
        _check(stride, views, photometric)
        _check_numbers(overlap, seed)
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
        self._averaged = averaged
        self._open = lru_cache(_MAPS_OPEN)(self._map)
        self._ready = False

    def _about(self) -> dict[str, Any]:
        """What the logits depend on, as it is now."""
        about = {
            "kind": _KIND,
            "teacher": model_digest(self._teacher),
            "images": _images_digest(self._part),
            "tile_px": list(self._tile_px),
            "overlap": self._overlap,
            "stride": self.stride,
            "views": self.views,
        }
        if self.views > 1:
            about |= {"photometric": self._photometric, "seed": self._seed}
        if self._averaged:
            about["averaged"] = True
        return about

    def get(self, index: int, view: int = 0) -> npt.NDArray[np.float16]:
        """Logits of `part[index]`, `(ceil(height / stride), ..., channels)`.

        Raises:
            RunFolderError: if `fill` has not made them.
        """
        if not self._ready:
            if self._found() != self._about():
                raise RunFolderError(
                    f"{self.folder}: holds no logits of this teacher for these images. "
                    "Call fill, or run the same command again."
                )
            self._ready = True
        return self._open(index, view)

    def color_generator(self, index: int, view: int) -> np.random.Generator | None:
        """Source of the colours of a view; None for view 0, the image as it is."""
        if view == 0:
            return None
        return np.random.default_rng((self._seed, index, view))

    def fill(self, progress: Progress | None = None) -> int:
        """Ask the teacher of everything that is not there, or not whole.

        It can be killed at any moment; what is finished is kept. Of several processes
        that fill one folder the first does it, and the others wait.

        Args:
            progress: told the size before anything is written, and of every map.

        Returns:
            Number of maps that were made now.

        Raises:
            RunFolderError: if the folder holds something else.
            DatasetError: if an image cannot be read.
        """
        with locked(self.folder.with_name(f".{self.folder.name}.lock")):
            return self._filled(progress or SilentProgress())

    def _filled(self, progress: Progress) -> int:
        self._ready = False
        self._open.cache_clear()
        found, about = self._found(), self._about()
        wanted = [(i, v) for i in range(len(self._part)) for v in range(self.views)]
        missing = wanted
        if found == about:
            missing = [place for place in wanted if not self._is_whole(*place)]
        elif found:
            keys = sorted(
                key
                for key in about.keys() | found.keys()
                if about.get(key) != found.get(key)
            )
            progress.say(
                f"{self.folder}: other {', '.join(keys)} than now; it is made anew."
            )
        progress.say(self._in_words(len(wanted) - len(missing), len(wanted)))
        if found != about:
            for path in self.folder.glob("*.npy"):
                path.unlink()
            write_json(self.folder / _ABOUT, about)
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

    def _found(self) -> dict[str, Any] | None:
        """What the folder says of itself; None if it is new or its file is damaged.

        Raises:
            RunFolderError: if it holds something else.
        """
        if not self.folder.exists():
            return None
        names = (
            [x.name for x in self.folder.iterdir()] if self.folder.is_dir() else [""]
        )
        found: Any = None
        if _ABOUT in names:
            with suppress(RunFolderError):
                found = read_json(self.folder / _ABOUT)
        of_ours = isinstance(found, dict) and found.get("kind") == _KIND
        # A damaged description is told from someone else's by what lies beside it.
        damaged = not (found and isinstance(found, dict))
        if not all(map(_OURS.fullmatch, names)) or not (of_ours or damaged):
            raise RunFolderError(
                f"{self.folder}: holds something else than a teacher's logits. "
                "Name another folder."
            )
        return found if of_ours else None

    def _path(self, index: int, view: int) -> Path:
        return self.folder / f"{index:06}-{view}.npy"

    def _shape(self, index: int) -> tuple[int, int, int]:
        return (*_cells(self._part[index], self.stride), self.channels)

    def _map(self, index: int, view: int) -> npt.NDArray[np.float16]:
        path = self._path(index, view)
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise RunFolderError(
                f"{path}: cannot be read ({error}). Call fill, or run the same command "
                "again."
            ) from error

    def _is_whole(self, index: int, view: int) -> bool:
        try:
            data = self._path(index, view).read_bytes()
        except OSError:
            return False
        body, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
        # First, since a damaged header can raise anything.
        if self._checksum(index, view, body) != checksum:
            return False
        stored = np.lib.format.read_array(io.BytesIO(body), allow_pickle=False)
        return stored.shape == self._shape(index) and stored.dtype == np.float16

    def _checksum(self, index: int, view: int, body: bytes) -> bytes:
        """With the place, so that a file under another's name is found out."""
        number = zlib.crc32(body, zlib.crc32(f"{index}-{view}".encode()))
        return number.to_bytes(_CHECKSUM_BYTES, "little")

    def _write(self, index: int, view: int) -> None:
        image, _ = self._part[index].read()
        colors = self.color_generator(index, view)
        if colors is not None:
            image = recolored(image, draw_recoloring(self._photometric, colors))
        predict, batch = self._teacher.predict_on_batch, _BATCH
        if self._averaged:
            # Of one tile, a batch is as many poses.
            predict, batch = partial(mean_over_poses, predict), 1
        tiles = SlidingWindow(
            size_px=image.shape[:2], tile_px=self._tile_px, overlap=self._overlap
        ).count_tiles()
        logits = map_by_tiles(
            predict,
            image,
            tile_px=self._tile_px,
            channels=self.channels,
            overlap=self._overlap,
            # Batches are filled up.
            batch_size=min(batch, tiles),
        )
        stored = np.clip(_block_means(logits, self.stride), -_LARGEST, _LARGEST)
        with atomic_write(self._path(index, view)) as unfinished:
            with unfinished.open("wb") as file:
                np.lib.format.write_array(file, stored.astype(np.float16))
            # Behind the array, where NumPy does not look.
            checksum = self._checksum(index, view, unfinished.read_bytes())
            with unfinished.open("ab") as file:
                file.write(checksum)


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
    """A fingerprint of what a model computes: its configuration and its weights.

    Names do not count, since Keras numbers them by what was built before.
    """
    digest = hashlib.sha256(_nameless(model.get_config()).encode())
    for values in model.get_weights():
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _nameless(config: Any) -> str:
    numbers: dict[str, str] = {}

    def find(value: Any) -> None:
        if isinstance(value, dict):
            name = value.get("name")
            if isinstance(name, str):
                numbers.setdefault(name, f"#{len(numbers)}")
            value = list(value.values())
        if isinstance(value, list | tuple):
            for each in value:
                find(each)

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            # A frozen teacher computes the same.
            return {k: renamed(v) for k, v in value.items() if k != "trainable"}
        if isinstance(value, list | tuple):
            return [renamed(each) for each in value]
        return numbers.get(value, value) if isinstance(value, str) else value

    find(config)
    return json.dumps(renamed(config), sort_keys=True, default=str)


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


def _check_numbers(overlap: float, seed: int) -> None:
    if not 0 <= overlap <= 0.9:
        raise UsageError(f"overlap must be 0 to 0.9, got {overlap}.")
    if seed < 0:
        raise UsageError(f"seed must be at least 0, got {seed}.")


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
        # Without the dots that NumPy puts into long arrays.
        with np.printoptions(threshold=sys.maxsize):
            stamp = repr(image)
        if image.image_path is not None:
            # Not the path: a data set that moves stays the same.
            try:
                stat = image.image_path.stat()
            except OSError as error:
                raise DatasetError(
                    f"{image.image_path}: cannot be read ({error}). Put it back, or "
                    "open the data set anew."
                ) from error
            size = f"{image.height_px}x{image.width_px}"
            stamp = f"{image.name} {size} {stat.st_size} {stat.st_mtime_ns}"
        digest.update(stamp.encode())
    return digest.hexdigest()
