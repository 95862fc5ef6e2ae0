"""Frames of a video file, as they are seen, and a video of such frames."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segshrink.errors import DatasetError, MissingExtraError
from segshrink.records import atomic_write

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")

# Where a file says nothing of its rate, which is only a hint beside the times.
_USUAL_RATE = Fraction(25)
# Good to look at, at a few megabits per second for a film of full size.
_QUALITY = {"crf": "23", "preset": "medium"}
# What players assume of a film that does not say it: ITU-R BT.709, limited range.
_BT709, _LIMITED = 1, 1


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        number: 0 for the first frame of the file.
        ticks: when it is shown, in units of `VideoFacts.time_base`.
        pixels: uint8 `(height, width, 3)`, turned as a player shows it.
    """

    number: int
    ticks: int
    pixels: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class VideoFacts:
    """Facts that a video file states.

    Attributes:
        time_base: seconds of a tick.
        rate: frames per second in the mean, 0 < rate.
        num_frames: number of frames as the file states or implies it; an estimate.
        pixel_aspect: width of a pixel by its height, as stored (not turned).
    """

    time_base: Fraction
    rate: Fraction
    num_frames: int
    pixel_aspect: Fraction


def video_facts(path: Path) -> VideoFacts:
    """Times and number of the frames of a video.

    Raises:
        MissingExtraError: without PyAV.
        DatasetError: if the file cannot be read, or holds no video.
    """
    with _opened(path) as (container, stream):
        rate = stream.average_rate or stream.guessed_rate or _USUAL_RATE
        # Of the container, in microseconds, where the stream does not count its frames.
        seconds = Fraction(container.duration or 0, 1_000_000)
        return VideoFacts(
            time_base=stream.time_base,
            rate=rate,
            num_frames=stream.frames or max(1, round(seconds * rate)),
            pixel_aspect=stream.sample_aspect_ratio or Fraction(1),
        )


def frames_of(path: Path, *, every: int = 1, start: int = 0) -> Iterator[Frame]:
    """Every so-manieth frame from frame `start` on, in the order in which they show.

    Frames before `start` are decoded and left out, which is exact where seeking is not.

    Args:
        path: a video file.
        every: int >= 1; 2 for the frames 0, 2, 4, ...
        start: number of the first frame wanted.

    Raises:
        DatasetError: if the file cannot be read, or is damaged from here on.
    """
    with _opened(path) as (container, stream):
        stream.thread_type = "AUTO"
        ticks = -1
        for number, frame in enumerate(_decoded(path, container, stream)):
            # A frame without a time follows the one before.
            ticks = ticks + 1 if frame.pts is None else frame.pts
            if number >= start and number % every == 0:
                turns = round(frame.rotation / 90) % 4
                pixels = np.rot90(frame.to_ndarray(format="rgb24"), turns)
                yield Frame(number, ticks, np.ascontiguousarray(pixels))


def write_video(
    path: Path,
    frames: Iterator[Frame],
    facts: VideoFacts,
    *,
    every: int = 1,
    comment: str = "",
) -> None:
    """Write frames as an H.264 video, each shown at its own time.

    The sound is left out. A side with an odd number of pixels is longer by one, since
    the format needs even ones.

    Args:
        path: the `.mp4` file.
        frames: at least one, all of one size.
        facts: of the video from which they are.
        every: as for `frames_of`, by which the rate is less.
        comment: kept in the file, see `comment_of`.

    Raises:
        DatasetError: if there is no frame.
    """
    av = _av()
    with atomic_write(path) as partial:
        with av.open(str(partial), "w", format="mp4") as container:
            container.metadata["comment"] = comment
            stream = None
            for frame in frames:
                if stream is None:
                    stream = _stream_for(container, frame, facts, every)
                for packet in stream.encode(_encodable(av, frame, facts)):
                    container.mux(packet)
            if stream is None:
                raise DatasetError(f"{path}: there is no frame to write.")
            for packet in stream.encode():
                container.mux(packet)


def comment_of(path: Path) -> str | None:
    """The comment of `write_video`; None if the file has none or is no video."""
    try:
        with _opened(path) as (container, _):
            return container.metadata.get("comment")
    except DatasetError:
        return None


def _stream_for(container: Any, frame: Frame, facts: VideoFacts, every: int) -> Any:
    height, width = (side + side % 2 for side in frame.pixels.shape[:2])
    stream = container.add_stream("libx264", rate=facts.rate / every, options=_QUALITY)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.time_base = stream.codec_context.time_base = facts.time_base
    stream.codec_context.colorspace = _BT709
    stream.codec_context.color_primaries = _BT709
    stream.codec_context.color_trc = _BT709
    stream.codec_context.color_range = _LIMITED
    stream.codec_context.sample_aspect_ratio = facts.pixel_aspect
    return stream


def _encodable(av: Any, frame: Frame, facts: VideoFacts) -> Any:
    height, width = frame.pixels.shape[:2]
    even = np.pad(frame.pixels, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
    picture = av.VideoFrame.from_ndarray(even, format="rgb24").reformat(
        format="yuv420p", dst_colorspace="ITU709"
    )
    picture.pts, picture.time_base = frame.ticks, facts.time_base
    return picture


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    av = _av()
    if not path.is_file():
        raise DatasetError(f"{path}: is not a file. Name a video that is there.")
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise DatasetError(_fault(path, error)) from error
    with container:
        if not container.streams.video:
            raise DatasetError(f"{path}: holds no video, only other streams.")
        yield container, container.streams.video[0]


def _decoded(path: Path, container: Any, stream: Any) -> Iterator[Any]:
    av, number = _av(), 0
    try:
        for frame in container.decode(stream):
            yield frame
            number += 1
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise DatasetError(f"{_fault(path, error)} Frames read: {number}.") from error


def _fault(path: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    return f"{path}: cannot be read as a video ({reason})."


def _av() -> Any:
    try:
        import av
    except ModuleNotFoundError as error:
        raise MissingExtraError("A video", "video") from error
    # It would write its notices about each damaged frame to the terminal.
    av.logging.set_level(None)
    return av
