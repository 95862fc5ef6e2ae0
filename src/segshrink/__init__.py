"""segshrink: from a folder of images and masks to a small, fast, measured model."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "compress"]


def __getattr__(name: str) -> Any:
    # `compress` pulls in Keras, which takes seconds to import; `--help` must not wait.
    if name == "compress":
        from segshrink.pipeline import compress

        return compress
    raise AttributeError(f"module 'segshrink' has no attribute {name!r}")
