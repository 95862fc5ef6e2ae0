"""The figures of `segshrink predict`, as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segshrink.prediction import Outcome, Photo, VideoOutcome
    from segshrink.runtimes import Artifact

Plain = dict[str, object]


def images_plain(
    artifact: Artifact, photos: Sequence[Photo], outcome: Outcome, out: Path
) -> Iterator[Plain]:
    """Each image: its results, and the pixels of each class."""
    from segshrink.prediction import legend

    names = [name for name, _ in legend(artifact)]
    for photo, result in zip(photos, outcome.results, strict=True):
        plain: Plain = {
            "file": str(photo.path),
            "result": str(photo.mask(out)) if result.areas is not None else None,
            "is_kept": result.is_kept,
            "fault": result.fault,
        }
        if result.areas is not None:
            counts = result.areas.pixels.tolist()
            plain["pixel_m2"] = result.areas.pixel_m2
            plain["pixels"] = dict(zip(names, counts, strict=True))
        yield plain


def video_plain(path: Path, outcome: VideoOutcome, result: Path) -> Plain:
    """A video: its result, and how many frames this has."""
    return {
        "file": str(path),
        "result": str(result) if outcome.frames else None,
        "is_kept": outcome.is_kept,
        "fault": outcome.fault,
        "frames": outcome.frames,
    }
