"""Models by name."""

import inspect
from collections.abc import Callable
from typing import Any

import keras

from segshrink.models.compact import compact
from segshrink.models.efficientnet_lite import efficientnet_lite
from segshrink.models.unet import unet

_BUILDERS: dict[str, Callable[..., keras.Model]] = {
    "unet": unet,
    "efficientnet_lite": efficientnet_lite,
    "compact": compact,
}


def build_model(
    name: str,
    *,
    num_classes: int,
    input_shape: tuple[int, int, int] = (256, 256, 3),
    **options: Any,
) -> keras.Model:
    """Build a model that has not seen the data.

    Args:
        name: "unet", "efficientnet_lite" or "compact".
        num_classes: int > 0, channels of the output.
        input_shape: (height, width, bands) in pixels.
        **options: options of the model, see `segshrink.models.unet`,
            `segshrink.models.efficientnet_lite` and `segshrink.models.compact`.

    Returns:
        A plain Keras model from bands `(batch, height, width, bands)`, 0 to 255, to
        logits
        `(batch, height, width, num_classes)`, float32.

    Raises:
        ValueError: if the name or an option is unknown, or a value is out of range.
        UsageError: if the package with the weights is not installed.

    Example:
        >>> model = build_model("unet", num_classes=6, base_filters=16)
        >>> model.output_shape
        (None, 256, 256, 6)
    """
    if name not in _BUILDERS:
        raise ValueError(f"model must be one of {', '.join(_BUILDERS)}, got {name!r}.")
    if num_classes < 1:
        raise ValueError(f"num_classes must be at least 1, got {num_classes}.")
    builder = _BUILDERS[name]
    known = set(inspect.signature(builder).parameters) - {"num_classes", "input_shape"}
    unknown = sorted(set(options) - known)
    if unknown:
        raise ValueError(
            f"{name} has no option {', '.join(unknown)}. Its options are "
            f"{', '.join(sorted(known))}."
        )
    return builder(num_classes=num_classes, input_shape=input_shape, **options)
