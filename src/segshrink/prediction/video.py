"""Segment a video; the result is a video with an overlay and shares by time."""

import csv
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segshrink.errors import DatasetError, UsageError
from segshrink.prediction.painting import blended
from segshrink.prediction.photos import Photo
from segshrink.prediction.segmenting import claim_folder
from segshrink.prediction.video_files import (
    VIDEO_SUFFIXES,
    Frame,
    VideoFacts,
    comment_of,
    frames_of,
    video_facts,
    write_video,
)
from segshrink.progress import Progress, SilentProgress
from segshrink.records import atomic_write, exclusive_folder, write_text
from segshrink.runtimes import Artifact, classes_of_image, legend

# Stands between the state of a video and what is wrong with it.
_FAULT = "; fault: "


@dataclass(frozen=True)
class VideoOutcome:
    """Outcome of one video.

    Attributes:
        frames: number of frames with a result.
        fault: one line about what is wrong with the video; None if nothing is.
        is_kept: whether the results existed already.
    """

    frames: int
    fault: str | None = None
    is_kept: bool = False


@dataclass(frozen=True)
class _Results:
    """Where the results of a video are, and what they are of."""

    path: Path
    out: Path
    every: int

    @property
    def overlay(self) -> Path:
        return self.out / f"{self.path.stem}-overlay.mp4"

    @property
    def shares(self) -> Path:
        return self.out / f"{self.path.stem}-shares.csv"

    @property
    def masks(self) -> Path:
        """The folder of the masks predicted so far."""
        return self.out / f"{self.path.stem}.frames"

    def mask(self, number: int) -> Path:
        return self.masks / f"{number:08d}.png"

    def state(self) -> str:
        return f"{Photo(self.path, Path()).state()}, every {self.every}"


def is_video(path: Path) -> bool:
    """Whether the ending is that of a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def segment_videos(
    artifact: Artifact,
    paths: Sequence[Path],
    out: Path,
    *,
    every: int = 1,
    progress: Progress | None = None,
) -> list[VideoOutcome]:
    """Segment every frame of each video.

    `out` gets NAME-overlay.mp4, without sound, in which each frame shows at its time in
    the original, and NAME-shares.csv with the share of each class in each frame. A call
    that was killed resumes at the frame that it had reached. A video that is damaged
    from some frame on has results up to it, and a fault.

    Args:
        artifact: an opened model file.
        paths: video files.
        out: folder to write into; created if missing.
        every: int >= 1; 5 takes each fifth frame, in the result too.
        progress: receives the frames.

    Returns:
        An outcome for each path.

    Raises:
        UsageError: if two videos have one name.
        MissingExtraError: without PyAV.
        RunFolderError: if `out` holds results of another model, or another process
            works in it.
    """
    progress = progress or SilentProgress()
    stems = [path.stem for path in paths]
    doubles = sorted({stem for stem in stems if stems.count(stem) > 1})
    if doubles:
        raise UsageError(
            f"The results of several videos named {', '.join(doubles)} would overwrite "
            "each other. Predict them into different folders."
        )
    claim_folder(out, artifact)
    with exclusive_folder(out):
        return [
            _outcome(artifact, _Results(path, out, every), progress) for path in paths
        ]


def _outcome(artifact: Artifact, results: _Results, progress: Progress) -> VideoOutcome:
    try:
        state = results.state()
        facts = video_facts(results.path)
        there = _state_there(results)
        if there is not None and there.partition(_FAULT)[0] == state:
            fault = there.partition(_FAULT)[2] or None
            return VideoOutcome(_rows_in(results.shares), fault, is_kept=True)
        _begin(results, state)
        fault = _predict_frames(artifact, results, facts, progress)
        numbers = sorted(int(x.stem) for x in results.masks.glob("*.png"))
        if not numbers:
            shutil.rmtree(results.masks)
            return VideoOutcome(0, fault or f"{results.path}: holds no frame.")
        comment = state if fault is None else f"{state}{_FAULT}{fault}"
        _write_results(artifact, results, facts, numbers[-1], comment, progress)
    except DatasetError as error:
        return VideoOutcome(0, str(error))
    shutil.rmtree(results.masks)
    return VideoOutcome(len(numbers), fault)


def _state_there(results: _Results) -> str | None:
    """The state of the video of which the results are; None if there are none."""
    if not (results.overlay.is_file() and results.shares.is_file()):
        return None
    return comment_of(results.overlay)


def _begin(results: _Results, state: str) -> None:
    """Keep the masks of an earlier call, unless they are of another video."""
    about = results.masks / "video.txt"
    if about.is_file() and about.read_text("utf-8") == state:
        return
    shutil.rmtree(results.masks, ignore_errors=True)
    results.masks.mkdir(parents=True)
    write_text(about, state)


def _predict_frames(
    artifact: Artifact, results: _Results, facts: VideoFacts, progress: Progress
) -> str | None:
    """Write the masks that are not there yet; what is wrong with the video, if so."""
    every, name = results.every, results.path.name
    done = len(list(results.masks.glob("*.png")))
    progress.start("predict frames", max(1, -(-facts.num_frames // every)))
    progress.advance(done, video=name)
    try:
        for frame in frames_of(results.path, every=every, start=done * every):
            labels = classes_of_image(artifact, frame.pixels)
            with atomic_write(results.mask(frame.number)) as partial:
                Image.fromarray(labels).save(partial, "PNG")
            progress.advance(video=name)
    except DatasetError as error:
        return str(error)
    finally:
        progress.finish()
    return None


def _write_results(
    artifact: Artifact,
    results: _Results,
    facts: VideoFacts,
    last: int,
    comment: str,
    progress: Progress,
) -> None:
    """Read the video once more, and write what is seen and the shares."""
    names, colors = zip(*legend(artifact), strict=True)
    progress.start("write video", last // results.every + 1)
    with (
        atomic_write(results.shares) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        rows = csv.writer(file)
        rows.writerow(("frame", "seconds", *names))
        # The video is written last: where it is, the results are complete.
        shown = _painted(results, list(colors), last, _rows_of(rows, facts, len(names)))
        partial_video = results.masks / "overlay.mp4"
        write_video(
            partial_video,
            _told(shown, progress),
            facts,
            every=results.every,
            comment=comment,
        )
    progress.finish()
    partial_video.replace(results.overlay)


def _painted(
    results: _Results,
    colors: list[tuple[int, int, int]],
    last: int,
    on_labels: Callable[[Frame, np.ndarray], None],
) -> Iterator[Frame]:
    for frame in frames_of(results.path, every=results.every):
        labels = np.asarray(Image.open(results.mask(frame.number)))
        on_labels(frame, labels)
        yield Frame(frame.number, frame.ticks, blended(frame.pixels, labels, colors))
        # What follows is damaged, or it would have a mask.
        if frame.number == last:
            return


def _rows_of(
    rows: Any, facts: VideoFacts, num_classes: int
) -> Callable[[Frame, np.ndarray], None]:
    def write(frame: Frame, labels: np.ndarray) -> None:
        rows.writerow(share_row(frame, facts, labels, num_classes))

    return write


def share_row(
    frame: Frame, facts: VideoFacts, labels: np.ndarray, num_classes: int
) -> tuple[int | str, ...]:
    """The row of a frame in a table of shares: its number, its seconds, each class."""
    shares = np.bincount(labels.ravel(), minlength=num_classes) / labels.size
    seconds = float(frame.ticks * facts.time_base)
    return (frame.number, f"{seconds:.6f}", *(f"{share:.6f}" for share in shares))


def _told(frames: Iterator[Frame], progress: Progress) -> Iterator[Frame]:
    for frame in frames:
        yield frame
        progress.advance()


def _rows_in(shares: Path) -> int:
    with shares.open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.reader(file)) - 1
