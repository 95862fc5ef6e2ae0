"""Segment photographs and georeferenced scenes; keep pictures, areas and polygons."""

from segshrink.prediction.areas import AREAS, Areas
from segshrink.prediction.on_ray import Cluster
from segshrink.prediction.one_image import segment_file
from segshrink.prediction.painting import legend
from segshrink.prediction.photos import Photo, find_photos
from segshrink.prediction.segmenting import Outcome, segment_files

__all__ = [
    "AREAS",
    "Areas",
    "Cluster",
    "Outcome",
    "Photo",
    "find_photos",
    "legend",
    "segment_file",
    "segment_files",
]
