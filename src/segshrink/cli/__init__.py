"""The command line: arguments, progress and printing, nothing else."""

from segshrink.cli.app import main

__all__ = ["main"]
