"""Image sizes that a model takes."""

import keras

from segshrink.errors import ModelError
from segshrink.records.bands import MOST_BANDS


def check_input_shape(
    input_shape: tuple[int, int, int], *, divisor: int, why: str
) -> None:
    """Refuse an input shape that does not come out of the model at its own size.

    Args:
        input_shape: (height, width, bands) in pixels.
        divisor: the number that must divide height and width.
        why: how `divisor` comes from the model's options, for the message.

    Raises:
        ValueError: naming the nearest larger size that fits.
    """
    is_image = len(input_shape) == 3 and all(input_shape)
    if not is_image or not 1 <= input_shape[2] <= MOST_BANDS:
        raise ValueError(
            f"input_shape must be (height, width, bands) with 1 to {MOST_BANDS} bands, "
            f"3 of an RGB image, got {tuple(input_shape)}."
        )
    height, width = input_shape[:2]
    if height % divisor or width % divisor:
        fitting = tuple(-(-size // divisor) * divisor for size in (height, width))
        raise ValueError(
            f"input height and width must be divisible by {divisor} ({why}), got "
            f"{height} x {width}. Use {fitting[0]} x {fitting[1]}."
        )


def tile_px_of(model: keras.Model) -> int:
    """Height and width in pixels of the square tiles that a model takes.

    Raises:
        ModelError: if the model does not take square images of one fixed size.
    """
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[1] != shape[2]:
        shape = (None, None)
    if shape[1] is None:
        raise ModelError(
            f"model {model.name}: is trained on square tiles of its own size, so it "
            f"needs one fixed input size, got {getattr(model, 'input_shape', None)}. "
            "Build it from keras.Input((tile_px, tile_px, bands))."
        )
    return int(shape[1])
