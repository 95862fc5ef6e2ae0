"""segshrink: from a folder of images and masks to a small, fast, measured model."""

from typing import TYPE_CHECKING

from segshrink._version import __version__
from segshrink.lazy import lazy_names

if TYPE_CHECKING:
    from segshrink.api import compress, evaluate, predict, prune
    from segshrink.data import open_dataset
    from segshrink.distillation import distill
    from segshrink.export import export_model
    from segshrink.models import load_model
    from segshrink.pruning import plan_pruning
    from segshrink.runtimes import load_artifact

__all__ = [
    "__version__",
    "compress",
    "distill",
    "evaluate",
    "export_model",
    "load_artifact",
    "load_model",
    "open_dataset",
    "plan_pruning",
    "predict",
    "prune",
]

# Most of it needs Keras, which takes seconds to import; `--help` must not wait.
__getattr__, __dir__ = lazy_names(
    __name__,
    dict.fromkeys(["compress", "evaluate", "predict", "prune"], "segshrink.api")
    | {
        "distill": "segshrink.distillation",
        "export_model": "segshrink.export",
        "load_artifact": "segshrink.runtimes",
        "load_model": "segshrink.models",
        "open_dataset": "segshrink.data",
        "plan_pruning": "segshrink.pruning",
    },
)
