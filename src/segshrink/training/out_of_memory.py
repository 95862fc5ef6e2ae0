"""A device that runs out of memory, as a sentence with the batch size to try."""

from collections.abc import Iterator
from contextlib import contextmanager

from segshrink.errors import TrainingError

# Of TensorFlow and of PyTorch; JAX only says so in the message.
_TYPES = {"ResourceExhaustedError", "OutOfMemoryError"}
_WORDS = ("RESOURCE_EXHAUSTED", "out of memory", "Out of memory")


@contextmanager
def advised_batch_size(
    batch_size: int, tile_px: int, *, on_device: bool = False
) -> Iterator[None]:
    """Turn an error for lack of a device's memory into advice.

    Args:
        batch_size: tiles in a batch now.
        tile_px: side of a tile in pixels.
        on_device: whether the images lie in that memory, too.

    Raises:
        TrainingError: in place of such an error.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        remedy = (
            f"Set batch_size to {batch_size // 2}"
            if batch_size > 1
            else "Take smaller tiles (tile_px) or a smaller model"
        )
        if on_device:
            remedy += ", keep the images out of it (tiles_on: host)"
        raise TrainingError(
            f"The memory of the device does not hold a training step with batch_size "
            f"{batch_size} and tiles of {tile_px} x {tile_px} pixels. {remedy}, or end "
            "other programs that use the device. A run that has finished epochs keeps "
            "its batch size; with another it needs another folder."
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of a backend says that a device has no memory left."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & _TYPES) or any(words in str(error) for words in _WORDS)
