"""Small video files, as cameras and telephones write them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

TIME_BASE = Fraction(1, 1000)
# The matrix of a track, by the quarter turns clockwise in which a player shows it:
# a b u, c d v of ISO/IEC 14496-12, 8.3.2, as 16.16 fixed-point numbers.
_ONE, _MINUS = b"\x00\x01\x00\x00", b"\xff\xff\x00\x00"
_NONE = b"\x00\x00\x00\x00"
MATRICES = {
    0: (_ONE, _NONE, _NONE, _NONE, _ONE, _NONE),
    1: (_NONE, _ONE, _NONE, _MINUS, _NONE, _NONE),
    2: (_MINUS, _NONE, _NONE, _NONE, _MINUS, _NONE),
    3: (_NONE, _MINUS, _NONE, _ONE, _NONE, _NONE),
}


def write_film(path: Path, pictures: Sequence[np.ndarray], times_ms: Sequence[int]):
    """A video of uint8 `(height, width, 3)` pictures that show at these times."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = TIME_BASE
        for picture, time_ms in zip(pictures, times_ms, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time_ms, TIME_BASE
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turn(path: Path, quarters: int) -> Path:
    """Say in an MP4 that it is shown so many quarters clockwise, as telephones do."""
    content = path.read_bytes()
    at = content.index(b"tkhd")
    before = b"".join(MATRICES[0])
    place = content.index(before, at)
    after = b"".join(MATRICES[quarters])
    path.write_bytes(content[:place] + after + content[place + len(after) :])
    return path


def film_of(path: Path) -> list[tuple[float, np.ndarray]]:
    """Seconds and picture of each frame of a video."""
    with av.open(str(path)) as container:
        return [
            (float(frame.pts * frame.time_base), frame.to_ndarray(format="rgb24"))
            for frame in container.decode(video=0)
        ]
