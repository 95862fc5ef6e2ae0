"""Everything segshrink raises on purpose.

A message says where, what must hold, what was received and what to do. The command
line prints `<class name>: <message>` without a traceback and leaves with `exit_code`.
"""


class SegshrinkError(Exception):
    """Base of all errors that segshrink raises on purpose."""

    exit_code = 1


class UsageError(SegshrinkError):
    """An argument that is wrong, or that would have no effect."""

    exit_code = 2


class DatasetError(SegshrinkError):
    """A fault in a folder of images and masks, or in its description."""

    exit_code = 2


class RecipeError(SegshrinkError):
    """One or more faults in a recipe; the message lists all of them."""

    exit_code = 2


class ModelError(SegshrinkError):
    """A file that holds no model, or a model that cannot be used as asked."""

    exit_code = 2


class RunFolderError(SegshrinkError):
    """An output folder that cannot take this run."""

    exit_code = 2


class MissingExtraError(SegshrinkError):
    """An optional dependency is not installed; the message names the pip command."""

    exit_code = 2

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs packages that are not installed. "
            f"Install them with: pip install 'segshrink[{extra}]'"
        )


class TrainingError(SegshrinkError):
    """Training cannot go on, for example because the loss is not a number."""


class ExportError(SegshrinkError):
    """A model could not be turned into a file, or the file disagrees with it."""
