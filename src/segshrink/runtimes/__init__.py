"""Model files behind one small interface, each run by its own runtime."""

from segshrink.runtimes.artifact import Artifact
from segshrink.runtimes.loading import load_artifact
from segshrink.runtimes.whole_image import predict_image

__all__ = ["Artifact", "load_artifact", "predict_image"]
