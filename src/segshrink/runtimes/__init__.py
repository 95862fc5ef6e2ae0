"""Model files behind one small interface, each run by its own runtime."""

from segshrink.runtimes.artifact import Artifact
from segshrink.runtimes.loading import load_artifact
from segshrink.runtimes.whole_image import classes_of_image, predict_image

__all__ = ["Artifact", "classes_of_image", "load_artifact", "predict_image"]
