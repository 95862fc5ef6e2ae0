"""Segment photographs, scenes and videos; keep pictures, areas and polygons."""

from segshrink.prediction.areas import AREAS, Areas
from segshrink.prediction.camera import (
    Recording,
    camera_index,
    is_camera,
    record_camera,
)
from segshrink.prediction.camera_reading import opened_capture
from segshrink.prediction.on_ray import Cluster
from segshrink.prediction.one_image import segment_file
from segshrink.prediction.photos import Photo, find_photos
from segshrink.prediction.segmenting import Outcome, segment_files
from segshrink.prediction.video import VideoOutcome, is_video, segment_videos
from segshrink.runtimes import legend

__all__ = [
    "AREAS",
    "Areas",
    "Cluster",
    "Outcome",
    "Photo",
    "Recording",
    "VideoOutcome",
    "camera_index",
    "find_photos",
    "is_camera",
    "is_video",
    "legend",
    "opened_capture",
    "record_camera",
    "segment_file",
    "segment_files",
    "segment_videos",
]
