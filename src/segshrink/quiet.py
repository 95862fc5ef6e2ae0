"""Holds back the chatter of native libraries, which ignores Python's logging."""

import contextlib
import io
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator

# Two threads that swap the same descriptor would restore each other's stand-in.
_ONE_AT_A_TIME = threading.RLock()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back standard error while the block runs; show it if the block raises.

    TensorFlow, LiteRT and their converters write to file descriptor 2 from C++ before
    any log level applies, so the descriptor itself is turned aside. Python's own
    `sys.stderr` is turned aside too, since in a notebook it is not descriptor 2.
    """
    with _ONE_AT_A_TIME, tempfile.TemporaryFile() as native:
        sys.stderr.flush()
        python = io.StringIO()
        shown = os.dup(2)
        os.dup2(native.fileno(), 2)
        try:
            with contextlib.redirect_stderr(python), warnings.catch_warnings():
                # Nor do the libraries' warnings concern whoever called us.
                warnings.simplefilter("ignore")
                yield
        except BaseException:
            native.seek(0)
            os.write(shown, native.read() + python.getvalue().encode())
            raise
        finally:
            os.dup2(shown, 2)
            os.close(shown)
