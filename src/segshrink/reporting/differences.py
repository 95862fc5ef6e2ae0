"""Maps of the pixels in which a student and its teacher differ."""

import numpy as np

from segshrink.records.measurement import ClassColor

# Told apart by colour-blind readers, on light and on dark paper.
_BOTH_RIGHT = ClassColor(name="both right", color=(224, 228, 231))
_BOTH_WRONG = ClassColor(name="both wrong", color=(112, 122, 130))
_LOST = ClassColor(name="only the teacher right", color=(213, 94, 0))
_WON = ClassColor(name="only the student right", color=(0, 114, 178))
_VOID = ClassColor(name="void, not scored", color=(0, 0, 0))
LEGEND = (_BOTH_RIGHT, _BOTH_WRONG, _LOST, _WON, _VOID)


def difference_map(
    truth: np.ndarray, teacher: np.ndarray, student: np.ndarray
) -> np.ndarray:
    """Who is right in each pixel, in the colours of `LEGEND`.

    Args:
        truth: classes as annotated in their colours, uint8 `(height, width, 4)`; void
            is transparent.
        teacher: classes that the teacher predicts, uint8 `(height, width, 3)`.
        student: classes that the student predicts, likewise.

    Returns:
        uint8 `(height, width, 3)`.

    Raises:
        ValueError: if the shapes differ.
    """
    truth, alpha = truth[..., :3], truth[..., 3]
    if not truth.shape == teacher.shape == student.shape:
        raise ValueError(
            "truth and predictions must have the same shape, got "
            f"{truth.shape}, {teacher.shape} and {student.shape}."
        )
    kept, own = (np.all(truth == each, axis=-1) for each in (teacher, student))
    chosen = np.select([alpha == 0, kept & own, kept, own], [4, 0, 2, 3], default=1)
    colors = np.array([each.color for each in LEGEND], np.uint8)
    return colors[chosen]
