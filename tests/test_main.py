"""`python -m segshrink`."""

import subprocess
import sys

from segshrink import __version__


def test_the_module_is_the_command_line():
    def run(*arguments):
        command = [sys.executable, "-m", "segshrink", *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    done = run("--version")
    assert (done.stdout, done.returncode) == (f"segshrink {__version__}\n", 0)
    done = run("inspect", "absent.tflite")
    assert "absent.tflite" in done.stderr and done.returncode == 2
