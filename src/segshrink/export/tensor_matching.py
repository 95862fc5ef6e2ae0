"""Matching of the tensors of a file with those of the model, by their values.

Converters fuse, split and rename operations in their own ways. With each of them, a
tensor of the file holds the same values for an image as the tensor of the model.
"""

from collections.abc import Iterable

import numpy as np

# Rounding of float32 adds up over layers; different tensors differ by far more.
_TOLERANCE = 1e-3


def equal_tensors(
    of_model: Iterable[tuple[str, np.ndarray]],
    of_file: Iterable[tuple[str, np.ndarray]],
) -> dict[str, list[str]]:
    """Names of the tensors of a file with the same values as those of the model.

    Args:
        of_model: (path, values) of one image.
        of_file: (name, values) of the same image; where the model has `(1, height,
            width, channels)` they may be `(1, channels, height, width)`.

    Returns:
        Names by path; paths without a match are left out.
    """
    candidates = [(name, np.asarray(x)) for name, x in of_file]
    matches: dict[str, list[str]] = {}
    for path, wanted in of_model:
        largest = max(float(np.abs(wanted).max()), 1e-6)
        layouts = [wanted]
        if wanted.ndim == 4:
            layouts.append(wanted.transpose(0, 3, 1, 2))
        names = [
            name
            for name, x in candidates
            if any(
                x.shape == layout.shape
                and np.abs(x - layout).max() <= _TOLERANCE * largest
                for layout in layouts
            )
        ]
        if names:
            matches[path] = names
    return matches
