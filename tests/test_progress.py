import inspect

import pytest

from segshrink.progress import Progress, SilentProgress


@pytest.mark.parametrize("name", ["start", "advance", "finish", "say"])
def test_silent_progress_takes_every_call(name):
    """It must stand in wherever a `Progress` is expected."""
    asked = inspect.signature(getattr(Progress, name))
    assert inspect.signature(getattr(SilentProgress, name)) == asked


def test_silent_progress_is_silent(capsys):
    progress: Progress = SilentProgress()
    progress.start("training", 2)
    progress.advance(1, loss=0.5, file="a.tflite")
    progress.say("a notice")
    progress.finish()
    assert capsys.readouterr() == ("", "")
