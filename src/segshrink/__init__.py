"""segshrink: from a folder of images and masks to a small, fast, measured model."""

from typing import Any

from segshrink._version import __version__

__all__ = ["__version__", "compress"]


def __getattr__(name: str) -> Any:
    # `compress` pulls in Keras, which takes seconds to import; `--help` must not wait.
    if name == "compress":
        from segshrink.compression.pipeline import compress

        return compress
    raise AttributeError(f"module 'segshrink' has no attribute {name!r}")
