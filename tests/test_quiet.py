"""The output that `quiet` holds back, and the output that it lets through."""

import os
import sys

import pytest

from segshrink.quiet import quiet


def test_native_and_python_standard_error_are_held_back(capfd):
    with quiet():
        os.write(2, b"from C++")
        sys.stderr.write("from Python")
    os.write(2, b"afterwards")
    assert capfd.readouterr().err == "afterwards"


def test_what_was_held_back_is_shown_on_failure(capfd):
    with pytest.raises(ValueError, match="broken"), quiet():
        os.write(2, b"the reason")
        raise ValueError("broken")
    assert capfd.readouterr().err == "the reason"


def test_nested_use_restores_standard_error(capfd):
    with quiet(), quiet():
        os.write(2, b"inside")
    os.write(2, b"outside")
    assert capfd.readouterr().err == "outside"
