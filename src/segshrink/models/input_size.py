"""Which image sizes a model takes."""


def check_input_shape(
    input_shape: tuple[int, int, int], *, divisor: int, why: str
) -> None:
    """Refuse an input shape that does not come out of the model at its own size.

    Args:
        input_shape: (height, width, 3) in pixels.
        divisor: the number that must divide height and width.
        why: how `divisor` comes from the model's options, for the message.

    Raises:
        ValueError: naming the nearest larger size that fits.
    """
    if len(input_shape) != 3 or input_shape[2] != 3 or not all(input_shape):
        raise ValueError(
            "input_shape must be (height, width, 3) of an RGB image, got "
            f"{tuple(input_shape)}."
        )
    height, width = input_shape[:2]
    if height % divisor or width % divisor:
        fitting = tuple(-(-size // divisor) * divisor for size in (height, width))
        raise ValueError(
            f"input height and width must be divisible by {divisor} ({why}), got "
            f"{height} x {width}. Use {fitting[0]} x {fitting[1]}."
        )
