"""Which tensors of a file are which of the model's: told by their values.

Converters join, split and rename operations in their own ways. That a tensor of the
file holds, for an image, what a call of the model gave for it is true of any of them.
"""

from collections.abc import Iterable

import numpy as np

# Rounding of float32 adds up over layers; other tensors differ by their whole size.
_TOLERANCE = 1e-3


def equal_tensors(
    of_model: Iterable[tuple[str, np.ndarray]],
    of_file: Iterable[tuple[str, np.ndarray]],
) -> dict[str, list[str]]:
    """Names of the tensors of a file that hold what the model's hold.

    Args:
        of_model: (path, values) of one image.
        of_file: (name, values) of the same image; where the model has `(1, height,
            width, channels)` they may be `(1, channels, height, width)`.

    Returns:
        Names by path; paths without any are left out.
    """
    candidates = [(name, np.asarray(x)) for name, x in of_file]
    found: dict[str, list[str]] = {}
    for path, wanted in of_model:
        largest = max(float(np.abs(wanted).max()), 1e-6)
        forms = [wanted]
        if wanted.ndim == 4:
            forms.append(wanted.transpose(0, 3, 1, 2))
        names = [
            name
            for name, x in candidates
            if any(
                x.shape == form.shape and np.abs(x - form).max() <= _TOLERANCE * largest
                for form in forms
            )
        ]
        if names:
            found[path] = names
    return found
