"""Frames of a camera, as they come."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from segshrink.errors import DatasetError, MissingExtraError
from segshrink.prediction.video_files import Frame

# Frames are at these ticks after the first; see `VideoFacts.time_base`.
MILLISECOND = Fraction(1, 1000)
# Where a camera does not tell its rate, or an absurd one; it is only a hint.
_USUAL_RATE, _HIGHEST_RATE = 25.0, 1000.0
_DEVICES = Path("/dev")


@dataclass(frozen=True)
class Capture:
    """A camera that is open; or a film that is read like one, which tests use.

    Attributes:
        name: what errors call it.
        device: `cv2.VideoCapture`.
    """

    name: str
    device: Any

    @property
    def rate(self) -> Fraction:
        """Frames per second that it states; 25 where it states none."""
        stated = self.device.get(_opencv().CAP_PROP_FPS)
        known = stated if 0 < stated <= _HIGHEST_RATE else _USUAL_RATE
        return Fraction(known).limit_denominator(1001)


@contextmanager
def opened_capture(source: int | Path) -> Iterator[Capture]:
    """Open a camera.

    Args:
        source: its number, or a film.

    Raises:
        MissingExtraError: without OpenCV.
        DatasetError: if it cannot be opened; with the reason, where it is known.
    """
    name = f"camera:{source}" if isinstance(source, int) else str(source)
    device = _opencv().VideoCapture(
        source if isinstance(source, int) else os.fspath(source)
    )
    try:
        if not device.isOpened():
            reason = reason_of(source) if isinstance(source, int) else "it is no film"
            raise DatasetError(f"{name}: cannot be opened: {reason}.")
        yield Capture(name, device)
    finally:
        device.release()


def frames_as_they_come(capture: Capture, *, every: int = 1) -> Iterator[Frame]:
    """Every so-manieth frame, at the milliseconds after the first at which it came.

    Args:
        capture: from `opened_capture`.
        every: int >= 1; 2 for the frames 0, 2, 4, ... The others are not decoded.

    Raises:
        DatasetError: when the camera gives no frame any more.
    """
    begin, ticks, number = 0.0, -1, 0
    while capture.device.grab():
        now = time.monotonic()
        begin = begin if number else now
        if number % every == 0:
            is_whole, pixels = capture.device.retrieve()
            if not is_whole:
                break
            # Two frames of one millisecond would be shown as one.
            ticks = max(ticks + 1, round((now - begin) / MILLISECOND))
            yield Frame(number, ticks, np.ascontiguousarray(pixels[..., ::-1]))
        number += 1
    if number == 0:
        raise DatasetError(f"{capture.name}: gives no frame. Does another use it?")
    raise DatasetError(f"{capture.name}: gave no frame any more after {number}.")


def reason_of(index: int, devices: Path = _DEVICES) -> str:
    """The likely reason why a camera cannot be opened.

    Args:
        index: its number.
        devices: where Linux has its devices.
    """
    device = devices / f"video{index}"
    if sys.platform == "linux":
        there = sorted(path.name for path in devices.glob("video*"))
        if device.name not in there:
            others = f"only {', '.join(there)}" if there else "no camera at all"
            return f"there is no {device}, {others}"
        if not os.access(device, os.R_OK | os.W_OK, effective_ids=True):
            return (
                f"you may not read {device}; join the group that it belongs to, mostly "
                "video, and log in again"
            )
    return "there is none, another program uses it, or the system does not allow it"


def _opencv() -> Any:
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise MissingExtraError("A camera", "camera") from error
    # It would write its own notices about each device that it tries to the terminal.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
