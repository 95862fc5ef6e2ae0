"""Record of the teacher logits that a folder holds."""

from segshrink.records.record import SparseRecord

TEACHER_LOGITS = "segshrink teacher's logits, format 1"


class TeacherLogitsRecord(SparseRecord):
    """Everything that the logits in a folder depend on.

    The teacher and the images are named by digests. `tile_px` is written of a teacher
    that predicts tiles of one size, `photometric` and `seed` only if there are several
    views, `averaged` only if it is set.
    """

    kind: str
    teacher: str
    images: str
    overlap: float
    stride: int
    views: int
    tile_px: tuple[int, int] | None = None
    photometric: float = 0.0
    seed: int = 0
    averaged: bool = False
