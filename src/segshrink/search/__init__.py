"""Search for the recipe of the best small model."""

from typing import Any

__all__ = ["SearchResult", "search"]


def __getattr__(name: str) -> Any:
    # The process of a trial must choose its cores before it imports Keras.
    if name in __all__:
        from segshrink.search import run

        return getattr(run, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
