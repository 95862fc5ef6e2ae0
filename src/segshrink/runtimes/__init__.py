"""Model files behind one small interface, each run by its own runtime."""

from segshrink.runtimes.artifact import Artifact
from segshrink.runtimes.class_map import (
    gives_classes,
    predict_classes,
    require_scores,
)
from segshrink.runtimes.legend import legend
from segshrink.runtimes.loading import Opening, load_artifact, shipped_model
from segshrink.runtimes.whole_image import (
    SWATH_PX,
    classes_of_image,
    confidence_of,
    likeliest_classes,
    predict_image,
)

__all__ = [
    "SWATH_PX",
    "Artifact",
    "Opening",
    "classes_of_image",
    "confidence_of",
    "gives_classes",
    "legend",
    "likeliest_classes",
    "load_artifact",
    "predict_classes",
    "predict_image",
    "require_scores",
    "shipped_model",
]
