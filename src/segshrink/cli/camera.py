"""`segshrink predict camera:0`: a recording that Ctrl-C ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segshrink.cli.options import refuse_idle
from segshrink.cli.predict_figures import Plain, video_plain
from segshrink.cli.terminal import output
from segshrink.errors import UsageError

if TYPE_CHECKING:
    from segshrink.progress import Progress
    from segshrink.runtimes import Artifact


def camera_among(named: list[Path], seconds: int | None, **idle: object) -> int | None:
    """The number of the camera that is named; None if there is none.

    Args:
        named: all inputs.
        seconds: value of `--seconds`.
        **idle: options that have no effect on a camera; None if not given.

    Raises:
        UsageError: if it is not the only input, for an option without effect, or if a
            number is wrong.
    """
    from segshrink.prediction import camera_index, is_camera

    cameras = [path for path in named if is_camera(path)]
    if not cameras:
        if seconds is not None:
            raise UsageError(
                "--seconds ends the recording of a camera. Name one, such as camera:0."
            )
        return None
    if len(named) > 1:
        raise UsageError(
            f"{cameras[0]}: a camera is recorded until it is stopped, and is the only "
            f"input then; got {len(named)}. Name it alone."
        )
    refuse_idle("on a camera", **idle)
    return camera_index(cameras[0])


def record(
    opened: Artifact,
    index: int,
    out: Path,
    every: int,
    seconds: int | None,
    progress: Progress,
) -> Iterator[Plain]:
    """Record a camera, say what there is of it, and return the figures."""
    from segshrink.prediction import Recording, opened_capture, record_camera

    with opened_capture(index) as capture, stopping() as is_stopped:
        recording = Recording(
            out, f"camera-{index}", every=every, seconds=seconds, is_ended=is_stopped
        )
        length = "" if seconds is None else f"for {seconds} s "
        progress.say(
            f"Recording {capture.name} {length}until Ctrl-C; now: {recording.newest}"
        )
        outcome = record_camera(opened, capture, recording)
    if outcome.frames:
        output.out(f"{outcome.frames} frames: {recording.overlay}")
    yield video_plain(Path(capture.name), outcome, recording.overlay)


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """While it lasts, Ctrl-C only makes the given function true; a second one stops."""
    stopped = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def stop(*_: Any) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield stopped.is_set
    finally:
        signal.signal(signal.SIGINT, before)
