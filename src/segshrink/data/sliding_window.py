"""A map of an image of any size, from overlapping tiles that are blended."""

import contextlib
import itertools
import math
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_FLOAT_BYTES = np.dtype(np.float32).itemsize
_LEAST_SLOTS = 2  # one in use, one that is predicted into


@dataclass(frozen=True, kw_only=True)
class SlidingWindow:
    """Positions and order of the tiles of an image.

    Tiles are spread evenly from edge to edge, so that none reaches beyond the image;
    along a side shorter than a tile the image is continued by reflection. The image is
    processed in swaths from the left, each from top to bottom; tiles on the border
    of two swaths are predicted for both.

    Attributes:
        size_px: height and width of the image in pixels.
        tile_px: height and width of a tile in pixels.
        overlap: in [0, 0.9], the least share of a tile's side that overlaps with the
            next tile; the number of tiles grows with `1 / (1 - overlap)**2`.
        batch_size: tiles predicted at once; the last batch is filled up.
        swath_px: width of a swath; None is the whole width.
    """

    size_px: tuple[int, int]
    tile_px: tuple[int, int]
    overlap: float
    batch_size: int = 1
    swath_px: int | None = None

    def count_tiles(self) -> int:
        """Tiles that `stream_by_tiles` predicts."""
        rows, columns = self.starts()
        return len(rows) * sum(len(inside) for _, _, inside in self.swaths(columns))

    def starts(self) -> tuple[list[int], list[int]]:
        """First rows and first columns of the tiles."""
        rows, columns = (
            _starts(max(side, tile), tile, self.overlap)
            for side, tile in zip(self.size_px, self.tile_px, strict=True)
        )
        return rows, columns

    def swaths(self, columns: list[int]) -> list[tuple[int, int, list[int]]]:
        """First column, end, and first columns of the tiles that reach into a swath."""
        tile, width = self.tile_px[1], self.size_px[1]
        step = self.swath_px or width
        return [
            (
                begin,
                min(width, begin + step),
                [
                    x
                    for x in columns
                    if x < min(width, begin + step) and x + tile > begin
                ],
            )
            for begin in range(0, width, step)
        ]


def map_by_tiles(
    predict: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    *,
    tile_px: tuple[int, int],
    channels: int,
    overlap: float,
    batch_size: int = 1,
) -> npt.NDArray[np.float32]:
    """Blend the maps of tiles into a map of the image.

    `SlidingWindow` gives the positions of the tiles. Where they overlap, their maps are
    averaged with weights that fall linearly from the middle of a tile to its border,
    where a network sees least context. Beside the map, one band as high as a tile and
    one batch are held.

    Args:
        predict: tiles `(batch_size, *tile_px, 3)` to `(batch_size, *tile_px,
            channels)`.
        image: `(height, width, 3)`.
        tile_px: as for `SlidingWindow`.
        channels: channels of the map.
        overlap: as for `SlidingWindow`.
        batch_size: as for `SlidingWindow`.

    Returns:
        float32 `(height, width, channels)`.
    """
    result = np.empty((*image.shape[:2], channels), np.float32)

    def read(rows: slice, columns: slice) -> np.ndarray:
        return image[rows, columns]

    def emit(row: int, column: int, part: np.ndarray) -> None:
        result[row : row + part.shape[0], column : column + part.shape[1]] = part

    window = SlidingWindow(
        size_px=(image.shape[0], image.shape[1]),
        tile_px=tile_px,
        overlap=overlap,
        batch_size=batch_size,
    )
    stream_by_tiles(predict, read, emit, window, channels=channels)
    return result


def tiles_in_order(
    image: np.ndarray, *, tile_px: tuple[int, int], overlap: float
) -> Iterator[np.ndarray]:
    """The tiles of an image, in the order in which `map_by_tiles` predicts them.

    Args:
        image: `(height, width, 3)`.
        tile_px: as for `SlidingWindow`.
        overlap: as for `SlidingWindow`.

    Yields:
        `(*tile_px, 3)`.
    """
    window = SlidingWindow(
        size_px=(image.shape[0], image.shape[1]), tile_px=tile_px, overlap=overlap
    )
    for row, column in itertools.product(*window.starts()):
        yield _tile(lambda rows, columns: image[rows, columns], window, row, column)


def stream_by_tiles(
    predict: Callable[[np.ndarray], np.ndarray],
    read: Callable[[slice, slice], np.ndarray],
    emit: Callable[[int, int, npt.NDArray[np.float32]], None],
    window: SlidingWindow,
    *,
    channels: int,
    held_bytes: int = 0,
    on_tiles: Callable[[int], None] | None = None,
) -> None:
    """Emit the map of `map_by_tiles` piece by piece, for images larger than memory.

    Beside a batch, one band as wide as a swath and as high as a tile is held, whatever
    the size of the image.

    Args:
        predict: as for `map_by_tiles`.
        read: gives the pixels `(rows, columns, 3)` of a window inside the image.
        emit: takes a finished piece, float32 `(rows, columns, channels)`, and the row
            and column where it begins. Pieces cover the image once; each is good until
            `emit` returns.
        window: where the tiles lie, and how many are predicted at once.
        channels: as for `map_by_tiles`.
        held_bytes: int >= 0. With more than 0 a thread of its own predicts batches
            while earlier ones are blended and later ones read. The band and the maps
            of batches, of which there are at least two, take so many bytes together.
            `predict` is called in the same order then, and never twice at a time.
        on_tiles: receives the number of tiles predicted, after each batch.
    """
    height, width = window.size_px
    tile_px, batch_size = window.tile_px, window.batch_size
    rows, columns = window.starts()
    swaths = window.swaths(columns)
    plans = [
        _groups(rows, batch_size // math.gcd(batch_size, len(inside)))
        for _, _, inside in swaths
    ]
    bands = [
        (max(x[-1] - x[0] for x in groups), inside[-1] - inside[0])
        for (_, _, inside), groups in zip(swaths, plans, strict=True)
    ]
    shapes = [(rows + tile_px[0], columns + tile_px[1]) for rows, columns in bands]
    memory = _Memory((batch_size, *tile_px, channels), shapes, held_bytes)
    for (begin, end, inside), groups, shape in zip(swaths, plans, shapes, strict=True):
        blending, slots = memory.divided(shape)
        left = inside[0]
        batches = [_batches(group, inside, batch_size) for group in groups]
        tiles = (
            _stacked([_tile(read, window, *x) for x in here], batch_size)
            for here in itertools.chain.from_iterable(batches)
        )
        # What lies above the tiles to come is finished.
        tops = [group[0] for group in groups]
        bottoms = [*tops[1:], max(height, tile_px[0])]
        with contextlib.closing(_in_turn(predict, tiles, slots)) as answers:
            for top, bottom, of_group in zip(tops, bottoms, batches, strict=True):
                for here in of_group:
                    for (row, column), tile in zip(here, next(answers), strict=False):
                        blending.add(row - top, column - left, tile)
                    if on_tiles is not None:
                        on_tiles(len(here))
                finished = slice(0, min(bottom, height) - top)
                inside_band = slice(begin - left, end - left)
                emit(top, begin, blending.finish(finished, inside_band))
                blending.move_up(bottom - top)


class _Memory:
    """One block of memory that holds a band of the map, and slots for batches.

    Allocating and freeing arrays of megabytes fragments the heap, so that a process
    would take more memory the longer it runs.

    Args:
        batch_shape: of the maps of a batch, `(batch_size, *tile_px, channels)`.
        bands: height and width of each band to come.
        held_bytes: as for `stream_by_tiles`.
    """

    def __init__(
        self,
        batch_shape: tuple[int, int, int, int],
        bands: list[tuple[int, int]],
        held_bytes: int,
    ) -> None:
        _, height, width, channels = batch_shape
        self._blending = _Blending((height, width), channels)
        self._slot_shape = batch_shape
        self._has_slots = held_bytes > 0
        least = max(self._blending.size(band) for band in bands)
        if self._has_slots:
            least += _LEAST_SLOTS * math.prod(self._slot_shape)
        self._block = np.empty(max(least, held_bytes // _FLOAT_BYTES), np.float32)

    def divided(self, band: tuple[int, int]) -> tuple["_Blending", np.ndarray]:
        """An empty band of this height and width, and slots in what it leaves."""
        size = self._blending.size(band)
        self._blending.begin(self._block[:size], band)
        of_slot, rest = math.prod(self._slot_shape), self._block[size:]
        count = rest.size // of_slot if self._has_slots else 0
        return self._blending, rest[: count * of_slot].reshape(count, *self._slot_shape)


class _Blending:
    """Weighted sums of the tiles of a band, one band after the other.

    Args:
        tile_px: height and width of a tile in pixels.
        channels: channels of the map.
    """

    def __init__(self, tile_px: tuple[int, int], channels: int) -> None:
        self._channels = channels
        self._weights = _weights(tile_px)
        # Weights are repeated per channel, since arrays of one shape add three times as
        # fast.
        self._weights_of_channels = np.repeat(self._weights, channels, axis=2)
        self._weighted = np.empty_like(self._weights_of_channels)

    def size(self, band: tuple[int, int]) -> int:
        """Number of floats that a band of this height and width takes."""
        return math.prod(band) * (self._channels + 1)

    def begin(self, memory: npt.NDArray[np.float32], band: tuple[int, int]) -> None:
        """Begin a band of this height and width in `size(band)` numbers of memory."""
        memory[:] = 0
        pixels = math.prod(band)
        self._sums = memory[: pixels * self._channels].reshape(*band, self._channels)
        self._total = memory[pixels * self._channels :].reshape(*band, 1)

    def add(self, row: int, column: int, tile: np.ndarray) -> None:
        """Add the map of a tile that begins there in the band."""
        height, width = tile.shape[:2]
        here = slice(row, row + height), slice(column, column + width)
        np.multiply(tile, self._weights_of_channels, out=self._weighted)
        self._sums[here] += self._weighted
        self._total[here] += self._weights

    def finish(self, rows: slice, columns: slice) -> npt.NDArray[np.float32]:
        """The mean of a part that tiles cover, in place of its sums."""
        sums = self._sums[rows, columns]
        return np.divide(sums, self._total[rows, columns], out=sums)

    def move_up(self, rows: int) -> None:
        """Drop the uppermost rows."""
        for sums in (self._sums, self._total):
            kept = len(sums) - rows
            # Rows move piece by piece, so that none is overwritten before it is read.
            for start in range(0, kept, rows):
                stop = min(start + rows, kept)
                sums[start:stop] = sums[start + rows : stop + rows]
            sums[kept:] = 0


def _groups(rows: list[int], together: int) -> list[list[int]]:
    """Rows of tiles, so many together that batches are full."""
    return [rows[i : i + together] for i in range(0, len(rows), together)]


def _batches(
    rows: list[int], columns: list[int], batch_size: int
) -> list[list[tuple[int, int]]]:
    """Corners of the tiles of some rows, in batches of which the last may be short."""
    tiles = [(row, column) for row in rows for column in columns]
    return [tiles[i : i + batch_size] for i in range(0, len(tiles), batch_size)]


def _stacked(tiles: list[np.ndarray], batch_size: int) -> np.ndarray:
    batch = np.stack(tiles)
    missing = batch_size - len(tiles)
    if missing:
        batch = np.pad(batch, ((0, missing), (0, 0), (0, 0), (0, 0)))
    return batch


def _in_turn(
    predict: Callable[[np.ndarray], np.ndarray],
    batches: Iterator[np.ndarray],
    slots: np.ndarray,
) -> Generator[np.ndarray]:
    """Predictions of batches, each valid until the next is requested.

    A thread predicts into the slots, of which one holds the answer in use; without any,
    each batch is predicted when it is requested.
    """
    if not len(slots):
        yield from map(predict, batches)
        return

    def fill(slot: np.ndarray, batch: np.ndarray) -> np.ndarray:
        slot[:] = predict(batch)
        return slot

    waiting: deque[Future[np.ndarray]] = deque()
    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            for slot, batch in zip(itertools.cycle(slots), batches, strict=False):
                waiting.append(thread.submit(fill, slot, batch))
                if len(waiting) == len(slots):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            # After an error nobody waits for them.
            for answer in waiting:
                answer.cancel()


def _tile(
    read: Callable[[slice, slice], np.ndarray],
    window: SlidingWindow,
    row: int,
    column: int,
) -> np.ndarray:
    """A tile, continued by reflection to the right and below a smaller image."""
    here = [
        slice(start, min(side, start + tile))
        for start, side, tile in zip(
            (row, column), window.size_px, window.tile_px, strict=True
        )
    ]
    pixels = read(here[0], here[1])
    missing = [
        (0, tile - side)
        for side, tile in zip(pixels.shape[:2], window.tile_px, strict=True)
    ]
    if any(after for _, after in missing):
        pixels = np.pad(pixels, [*missing, (0, 0)], mode="reflect")
    return pixels


def _weights(tile_px: tuple[int, int]) -> np.ndarray:
    """Pyramid `(height, width, 1)` of values in (0, 1]."""
    rows, columns = (_rising_and_falling(side) for side in tile_px)
    return (rows[:, None] * columns[None, :])[..., None]


def _rising_and_falling(length: int) -> np.ndarray:
    position = np.arange(1, length + 1, dtype=np.float32)
    ramp = np.minimum(position, position[::-1])
    return ramp / ramp.max()


def _starts(side: int, tile: int, overlap: float) -> list[int]:
    """First pixels of the fewest tiles that overlap by at least `overlap`."""
    stride = max(1, math.floor(tile * (1 - overlap)))
    count = math.ceil((side - tile) / stride) + 1
    return [int(start) for start in np.linspace(0, side - tile, count)]
