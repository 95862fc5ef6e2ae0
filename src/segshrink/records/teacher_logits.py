"""Record of the teacher logits that a folder holds."""

from segshrink.records.record import SparseRecord

TEACHER_LOGITS = "segshrink teacher's logits, format 1"


class TeacherLogitsRecord(SparseRecord):
    """Everything that the logits in a folder depend on.

    The teacher and the images are named by digests. `photometric` and `seed` are
    written only if there are several views, `averaged` only if it is set.
    """

    kind: str
    teacher: str
    images: str
    tile_px: tuple[int, int]
    overlap: float
    stride: int
    views: int
    photometric: float = 0.0
    seed: int = 0
    averaged: bool = False
