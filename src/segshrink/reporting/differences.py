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
        truth: classes as annotated in their colours, uint8 `(height, width, 3)`; void
            is black, which is the colour of no class unless a prediction has it.
        teacher: classes that the teacher predicts, of the same shape.
        student: classes that the student predicts, of the same shape.

    Returns:
        uint8 `(height, width, 3)`.

    Raises:
        ValueError: if the shapes differ.
    """
    if not truth.shape == teacher.shape == student.shape:
        raise ValueError(
            "truth and predictions must have the same shape, got "
            f"{truth.shape}, {teacher.shape} and {student.shape}."
        )
    kept, own = (np.all(truth == each, axis=-1) for each in (teacher, student))
    # A prediction is never void: where one is black, black is a class.
    is_void = ~np.any(truth, axis=-1) & ~kept & ~own
    chosen = np.select([is_void, kept & own, kept, own], [4, 0, 2, 3], default=1)
    colors = np.array([each.color for each in LEGEND], np.uint8)
    return colors[chosen]
