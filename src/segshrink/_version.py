"""The version of this package, in a module of its own: it imports nothing."""

__version__ = "0.1.0"
