"""`segshrink predict camera:0`: what is refused, and how Ctrl-C ends it."""

import subprocess
import sys

import pytest

from e2e.command_line import refused

pytest.importorskip("cv2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["camera:99"], "camera:99: cannot be opened: "),
        (["camera:one"], "is named by its number, such as camera:0, got 'one'"),
        (["camera:0", "film.mp4"], "is the only input then; got 2"),
        (["camera:0", "--confidence"], "--confidence has no effect on a camera"),
        (["camera:0", "--pattern", "*"], "--pattern has no effect on a camera"),
        (["photo.png", "--seconds", 3], "--seconds ends the recording of a camera"),
        (["photo.png", "--every", 3], "--every chooses among the frames of videos"),
    ],
)
def test_what_cannot_be_recorded_is_told(arguments, message, tmp_path):
    out = tmp_path / "out"
    assert message in refused("predict", *arguments, "--out", out)
    assert not out.exists()


def test_the_first_interrupt_asks_and_the_second_breaks_off():
    # In a process of its own, since tests before may have left the signal as it kills.
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED], capture_output=True, text=True
    )
    assert (done.stdout, done.stderr, done.returncode) == ("asked broken off\n", "", 0)


_INTERRUPTED = """
import signal
from segshrink.cli.camera import stopping

signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    with stopping() as is_stopped:
        assert not is_stopped()
        signal.raise_signal(signal.SIGINT)
        assert is_stopped()
        print("asked", end=" ")
        signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("broken off")
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""
