"""Segment what a camera shows, until the recording is ended."""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segshrink.errors import DatasetError, UsageError
from segshrink.prediction.camera_reading import (
    MILLISECOND,
    Capture,
    frames_as_they_come,
)
from segshrink.prediction.painting import blended
from segshrink.prediction.segmenting import claim_folder
from segshrink.prediction.video import VideoOutcome, share_row
from segshrink.prediction.video_files import Frame, VideoFacts, write_video
from segshrink.records import atomic_write, exclusive_folder
from segshrink.runtimes import Artifact, classes_of_image, legend

_PREFIX = "camera:"
_INDEX = re.compile(rf"{_PREFIX}([0-9]{{1,4}})")


def is_camera(path: Path) -> bool:
    """Whether an input is a camera and no file."""
    return str(path).startswith(_PREFIX)


def camera_index(path: Path) -> int:
    """The number of a camera that an input such as `camera:0` names.

    Raises:
        UsageError: if it names none.
    """
    found = _INDEX.fullmatch(str(path))
    if found is None:
        raise UsageError(
            f"{path}: a camera is named by its number, such as {_PREFIX}0, got "
            f"{str(path).removeprefix(_PREFIX)!r}."
        )
    return int(found[1])


@dataclass(frozen=True)
class Recording:
    """A recording to make.

    Attributes:
        out: folder to write into; created if missing.
        name: beginning of the names of its files, such as `"camera-0"`.
        every: int >= 1; 5 takes each fifth frame.
        seconds: length at which it ends; None has no end.
        is_ended: asked after each frame whether it is to end.
    """

    out: Path
    name: str
    every: int = 1
    seconds: float | None = None
    is_ended: Callable[[], bool] = lambda: False

    @property
    def overlay(self) -> Path:
        """The video with the overlay."""
        return self.out / f"{self.name}-overlay.mp4"

    @property
    def shares(self) -> Path:
        """The share of each class in each frame."""
        return self.out / f"{self.name}-shares.csv"

    @property
    def newest(self) -> Path:
        """The newest frame with its overlay, while the recording lasts."""
        return self.out / f"{self.name}-live.jpg"

    def ends_with(self, frame: Frame) -> bool:
        """Whether a frame is the last one that is wanted."""
        is_late = self.seconds is not None and frame.ticks >= 1000 * self.seconds
        return is_late or self.is_ended()


def record_camera(
    artifact: Artifact, capture: Capture, recording: Recording
) -> VideoOutcome:
    """Segment each frame as it comes, until the recording ends.

    NAME-overlay.mp4 shows each frame at the time at which it came, NAME-shares.csv has
    the share of each class in each frame, and NAME-live.jpg is the newest frame while
    the recording lasts. Where the model is slower than the camera, this drops frames.

    Args:
        artifact: an opened model file.
        capture: an open camera.
        recording: where to, and when it ends.

    Returns:
        The outcome; with a fault, and the frames before it, if the camera stopped.

    Raises:
        UsageError: if the folder holds a recording of this name.
        MissingExtraError: without PyAV.
        RunFolderError: if the folder holds results of another model, or another process
            works in it.
    """
    if recording.overlay.exists():
        raise UsageError(
            f"{recording.overlay}: is a recording, which would be overwritten. Name "
            "another folder as --out."
        )
    claim_folder(recording.out, artifact)
    with exclusive_folder(recording.out):
        film = _Film(artifact, capture, recording)
        try:
            film.write()
        except DatasetError as error:
            # Without a frame there is no video, and the camera's fault says why.
            return VideoOutcome(0, film.fault or str(error))
        finally:
            recording.newest.unlink(missing_ok=True)
        return VideoOutcome(film.frames, film.fault)


class _Film:
    """The frames of a camera on their way into a video.

    Attributes:
        frames: number of frames so far.
        fault: why the camera stopped; None while it did not.
    """

    def __init__(
        self, artifact: Artifact, capture: Capture, recording: Recording
    ) -> None:
        self._artifact, self._capture, self._recording = artifact, capture, recording
        self._facts = VideoFacts(MILLISECOND, capture.rate, 0, Fraction(1))
        self._names, self._colors = zip(*legend(artifact), strict=True)
        self.frames = 0
        self.fault: str | None = None

    def write(self) -> None:
        """Write the video and the shares until the recording ends.

        Raises:
            DatasetError: if there is no frame.
        """
        recording = self._recording
        with (
            atomic_write(recording.shares) as partial,
            partial.open("w", newline="", encoding="utf-8") as file,
        ):
            rows = csv.writer(file)
            rows.writerow(("frame", "seconds", *self._names))
            frames = self._painted(rows)
            write_video(recording.overlay, frames, self._facts, every=recording.every)

    def _painted(self, rows: Any) -> Iterator[Frame]:
        recording = self._recording
        try:
            for frame in frames_as_they_come(self._capture, every=recording.every):
                labels = classes_of_image(self._artifact, frame.pixels)
                rows.writerow(share_row(frame, self._facts, labels, len(self._names)))
                shown = blended(frame.pixels, labels, list(self._colors))
                _write_jpeg(recording.newest, shown)
                self.frames += 1
                yield Frame(frame.number, frame.ticks, shown)
                if recording.ends_with(frame):
                    return
        except DatasetError as error:
            self.fault = str(error)


def _write_jpeg(path: Path, pixels: np.ndarray) -> None:
    # Renamed into place, so that a viewer never sees half of it; but not flushed to the
    # disk like a result, which would hold the camera up.
    partial = path.with_name(f".{path.name}")
    Image.fromarray(pixels).save(partial, "JPEG")
    partial.replace(path)
