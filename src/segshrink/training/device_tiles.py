"""Training tiles that are cut, zoomed, turned and recoloured inside the compiled step.

Images and labels lie in the memory of the device, and a batch that travels to it is a
few numbers per tile. The pixels are those that `segshrink.data.augmentation` makes of
the same numbers on the host: labels exactly, images within a grey level.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NotRequired, TypedDict

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from PIL import Image

from segshrink.data import IGNORE_INDEX, UNLABELLED, Part
from segshrink.data.augmentation import MIDDLE_LEVEL, Recoloring, TileDraw
from segshrink.data.mixing import TileMix
from segshrink.errors import RecipeError
from segshrink.recipe import TrainingSettings

_WORD_BYTES = 4
# Less than the memory of any accelerator that is worth the way; it also keeps places of
# pixels within 32 bits.
_MOST_BYTES = 4 << 30


class DrawBatch(TypedDict):
    """The numbers of a batch of tiles, as they travel to the device.

    `crop` is int32 `(batch, 4)`: image, first row, first column and side of the crop in
    source pixels. `pose` is int32 `(batch, 3)`: whether rows and columns are swapped,
    then whether rows, then whether columns are reversed. `color` is float32
    `(batch, 2 + bands)`: contrast, brightness in grey levels, and a factor per band.
    Where tiles are mixed, `mix` is int32 `(batch, 5)`: place of the partner in
    the batch, and top, left, height and width of the rectangle; `share` is float32
    `(batch,)`.
    """

    crop: npt.NDArray[np.int32]
    pose: npt.NDArray[np.int32]
    color: npt.NDArray[np.float32]
    mix: NotRequired[npt.NDArray[np.int32]]
    share: NotRequired[npt.NDArray[np.float32]]


def draw_batch(
    draws: Sequence[tuple[int, TileDraw]],
    mixes: Sequence[TileMix] = (),
    *,
    num_bands: int = 3,
) -> DrawBatch:
    """Pack the numbers of a batch: each tile's image and draw, and how it is mixed."""
    batch: DrawBatch = {
        "crop": np.array(
            [(image, draw.top, draw.left, draw.side) for image, draw in draws], np.int32
        ),
        "pose": np.array(
            [
                (draw.swapped, draw.rows_reversed, draw.columns_reversed)
                for _, draw in draws
            ],
            np.int32,
        ),
        "color": np.array(
            [_color(draw.recoloring, num_bands) for _, draw in draws], np.float32
        ),
    }
    if mixes:
        batch["mix"] = np.array([mix[:5] for mix in mixes], np.int32)
        batch["share"] = np.array([mix.share for mix in mixes], np.float32)
    return batch


def _color(recoloring: Recoloring | None, num_bands: int) -> tuple[float, ...]:
    change = recoloring or Recoloring(cast=(1.0,) * num_bands)
    return change.contrast, change.brightness, *change.cast


class DeviceImages(keras.layers.Layer):
    """All images and labels of a part in the device's memory, and tiles made of them.

    `call` takes a `DrawBatch` and returns the images and labels of its tiles. Nothing
    here is trained, and no variable of it belongs to the model that is.

    Args:
        images: pairs of uint8 `(height, width, bands)` and uint8 labels
            `(height, width)`, all of as many bands.
        tile_px: side of a tile in pixels.
        sides: least and greatest side of a crop in source pixels.
    """

    def __init__(
        self,
        images: Iterable[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]],
        *,
        tile_px: int,
        sides: tuple[int, int],
    ) -> None:
        super().__init__(trainable=False, dtype="float32", name="device_images")
        self.tile_px = tile_px
        self._least, self._most = sides
        packed = []
        for image, labels in images:
            self._num_bands = image.shape[-1]
            packed.append(_packed(image, labels))
        sizes = np.array([pixels.shape[1:] for pixels in packed], np.int32)
        counts = [pixels[0].size for pixels in packed]
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int32)
        # One array for each word: a last axis of two or three words would be padded to
        # many more in the memory of some accelerators.
        self._words = [
            self._constant(np.concatenate([x[word].ravel() for x in packed]))
            for word in range(words_per_pixel(self._num_bands))
        ]
        self._table = self._constant(np.column_stack([starts, sizes]))
        self._nearest = self._constant(
            np.stack(
                [_nearest(side, tile_px) for side in range(self._least, self._most + 1)]
            )
        )
        self.built = True

    def _constant(self, values: npt.NDArray[np.int32]) -> keras.Variable:
        # A variable, though it never changes: a tensor that a step closes over is
        # copied into the program that JAX compiles.
        return self.add_weight(
            shape=values.shape,
            dtype="int32",
            trainable=False,
            initializer=lambda shape, dtype: ops.convert_to_tensor(values),
        )

    def call(self, draws: Any) -> tuple[Any, Any]:
        """Make the tiles of a `DrawBatch`.

        Returns:
            (images, labels): float32 whole numbers in 0 to 255 `(batch, tile_px,
            tile_px, bands)`, and int32 `(batch, tile_px, tile_px)` with 255 for void.
        """
        crop, pose, color = draws["crop"], draws["pose"], draws["color"]
        side = crop[:, 3]
        shape = ops.take(self._table, crop[:, 0], axis=0)  # (batch, 3)
        window = ops.arange(self._most, dtype="int32")[None]
        rows = crop[:, 1:2] + window  # (batch, window)
        columns = crop[:, 2:3] + window
        near = ops.take(self._nearest, side - self._least, axis=0)  # (batch, tile)
        labels = self._labels(
            ops.take_along_axis(rows, near, axis=1),
            ops.take_along_axis(columns, near, axis=1),
            shape,
        )
        images = self._images(rows, columns, shape)
        if not self._least == self._most == self.tile_px:
            weights = _triangles(side, self.tile_px, self._most)
            # Columns first and rounded in between, as Pillow does.
            images = _resampled("btw,bhwc->bhtc", weights, images)
            images = _resampled("bth,bhwc->btwc", weights, images)
        images, labels = _posed(_recolored(images, color), pose), _posed(labels, pose)
        if "mix" not in draws:
            return images, labels
        return _mixed(images, labels, draws["mix"], draws["share"])

    def _images(self, rows: Any, columns: Any, shape: Any) -> Any:
        """Grey levels `(batch, rows, columns, bands)`, mirrored at the edges."""
        place = self._places(rows, columns, shape)
        packed = [ops.take(word, place, axis=0) for word in self._words]
        return _unpacked(packed, self._num_bands)

    def _places(self, rows: Any, columns: Any, shape: Any) -> Any:
        """Places of pixels `(batch, rows, columns)`, mirrored at the image's edges."""
        start, height, width = (shape[:, axis, None] for axis in range(3))
        rows, columns = _mirrored(rows, height), _mirrored(columns, width)
        place = start[..., None] + rows[:, :, None] * width[..., None]
        return place + columns[:, None, :]

    def _labels(self, rows: Any, columns: Any, shape: Any) -> Any:
        place = self._places(rows, columns, shape)
        packed = ops.take(self._words[-1], place, axis=0)
        labels = ops.bitwise_and(ops.right_shift(packed, 24), 255)
        inside = ops.logical_and(
            _within(rows, shape[:, 1, None])[:, :, None],
            _within(columns, shape[:, 2, None])[:, None, :],
        )
        return ops.where(inside, labels, IGNORE_INDEX)


def device_bytes(part: Part) -> int:
    """Bytes of the device's memory that the images and labels of a part take."""
    pixels = sum(image.height_px * image.width_px for image in part)
    return _WORD_BYTES * words_per_pixel(part.num_bands) * pixels


def words_per_pixel(num_bands: int) -> int:
    """Numbers of 32 bits that hold the bands of a pixel and its label."""
    return -(-(num_bands + 1) // _WORD_BYTES)


def makes_tiles_on_device(settings: TrainingSettings, part: Part) -> bool:
    """Whether a training run makes its tiles on the device rather than on the host.

    Raises:
        RecipeError: if the settings demand it of more images than may lie there.
    """
    size = device_bytes(part)
    if settings.tiles_on == "auto":
        return has_accelerator() and size <= _MOST_BYTES
    if settings.tiles_on == "device" and size > _MOST_BYTES:
        raise RecipeError(
            f"tiles_on: device holds at most {_MOST_BYTES / 1e6:,.0f} MB of images, "
            f"but the {part.name} part has {size / 1e6:,.0f} MB. Take tiles_on: auto "
            "or host."
        )
    return settings.tiles_on == "device"


def has_accelerator() -> bool:
    """Whether the backend computes on something else than the processor."""
    backend = keras.config.backend()
    if backend == "jax":
        import jax

        return bool(jax.default_backend() != "cpu")
    if backend == "torch":
        import torch

        return bool(torch.cuda.is_available())
    if backend == "tensorflow":
        import tensorflow

        return bool(tensorflow.config.list_physical_devices("GPU"))
    return False


def _packed(
    image: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]
) -> npt.NDArray[np.int32]:
    """A pixel's bands and label in few numbers, so that they are fetched at once.

    Returns:
        int32 `(words, height, width)`, four bytes each; the label is the last byte.
    """
    words = words_per_pixel(image.shape[-1])
    together = np.zeros((_WORD_BYTES * words, *labels.shape), np.uint32)
    together[: image.shape[-1]] = np.moveaxis(image, -1, 0)
    together[-1] = labels
    first, second, third, fourth = (together[i::_WORD_BYTES] for i in range(4))
    return (first | second << 8 | third << 16 | fourth << 24).view(np.int32)


def _unpacked(packed: list[Any], num_bands: int) -> Any:
    bands = [
        ops.bitwise_and(ops.right_shift(packed[i // 4], 8 * (i % 4)), 255)
        for i in range(num_bands)
    ]
    return ops.cast(ops.stack(bands, axis=-1), "float32")


def _nearest(side: int, tile_px: int) -> npt.NDArray[np.int32]:
    """Place in a crop of `side` pixels that each pixel of the tile takes its label of.

    Asked of Pillow itself, whose rounding no formula repeats exactly.
    """
    places = Image.fromarray(np.arange(side, dtype=np.int32)[None])
    near = places.resize((tile_px, 1), Image.Resampling.NEAREST)
    return np.asarray(near, np.int32)[0]


def _triangles(side: Any, tile_px: int, window: int) -> Any:
    """Weights `(batch, tile, window)` of bilinear resampling, as in Pillow.

    A triangle about the middle of each new pixel, as wide as two old ones or, where
    there are fewer new ones, as two of those.
    """
    side = side[:, None, None]
    middles = (2 * ops.arange(tile_px, dtype="int32")[None, :, None] + 1) * side
    places = (2 * ops.arange(window, dtype="int32")[None, None] + 1) * tile_px
    # Whole numbers up to the division, which a float32 would spoil by a grey level.
    weights = 2 * ops.maximum(side, tile_px) - ops.abs(places - middles)
    inside = ops.arange(window, dtype="int32")[None, None] < side
    weights = ops.cast(ops.where(inside, ops.maximum(weights, 0), 0), "float32")
    return weights / ops.sum(weights, axis=-1, keepdims=True)


def _resampled(equation: str, weights: Any, images: Any) -> Any:
    """`einsum` of weights in [0, 1] and grey levels, rounded to grey levels.

    Accelerators multiply with 11 significant bits. Grey levels have eight; weights are
    the sum of two parts that have no more.
    """
    coarse = ops.round(weights * 2048) / 2048
    levels = ops.einsum(equation, coarse, images)
    return _rounded(levels + ops.einsum(equation, weights - coarse, images))


def _mirrored(places: Any, length: Any) -> Any:
    """Places outside [0, length) reflected at the first and the last pixel."""
    period = ops.maximum(2 * (length - 1), 1)
    places = ops.mod(places, period)
    return ops.minimum(ops.minimum(places, period - places), length - 1)


def _within(places: Any, length: Any) -> Any:
    return ops.logical_and(places >= 0, places < length)


def _rounded(levels: Any) -> Any:
    return ops.floor(ops.clip(levels, 0.0, 255.0) + 0.5)


def _recolored(images: Any, color: Any) -> Any:
    contrast, brightness = color[:, :1], color[:, 1:2]
    contrast, brightness, cast = (
        x[:, None, None, :] for x in (contrast, brightness, color[:, 2:])
    )
    levels = contrast * (images - MIDDLE_LEVEL) + MIDDLE_LEVEL + brightness
    return ops.clip(ops.round(cast * levels), 0.0, 255.0)


def _mixed(images: Any, labels: Any, mix: Any, share: Any) -> tuple[Any, Any]:
    """`segshrink.data.mixing.mixed_tiles` of float images."""
    places = ops.arange(labels.shape[1], dtype="int32")[None]
    rows, columns = (
        ops.logical_and(
            places >= mix[:, i, None], places < (mix[:, i] + mix[:, j])[:, None]
        )
        for i, j in ((1, 3), (2, 4))
    )
    inside = ops.logical_and(rows[:, :, None], columns[:, None, :])
    other, their = (ops.take(x, mix[:, 0], axis=0) for x in (images, labels))
    share = ops.reshape(share, (-1, 1, 1, 1))
    mixture = ops.round(images + share * (other - images))
    void = ops.logical_or(
        ops.equal(labels, IGNORE_INDEX), ops.equal(their, IGNORE_INDEX)
    )
    unknown = ops.where(void, IGNORE_INDEX, UNLABELLED)
    their = ops.where(share[..., 0] < 1, unknown, their)
    return (
        ops.where(inside[..., None], mixture, images),
        ops.where(inside, their, labels),
    )


def _posed(pixels: Any, pose: Any) -> Any:
    """Swap rows and columns, then reverse rows, then columns, of each tile as told."""
    rank = len(pixels.shape)
    flags = [ops.reshape(pose[:, i], (-1,) + (1,) * (rank - 1)) > 0 for i in range(3)]
    swapped = ops.transpose(pixels, (0, 2, 1, *range(3, rank)))
    pixels = ops.where(flags[0], swapped, pixels)
    pixels = ops.where(flags[1], ops.flip(pixels, axis=1), pixels)
    return ops.where(flags[2], ops.flip(pixels, axis=2), pixels)
