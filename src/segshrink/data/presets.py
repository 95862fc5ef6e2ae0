"""Published data sets that are recognised without a dataset.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from segshrink.data.classes import UNDECLARED, Classes

_LEAST_KNOWN_SHARE = 0.9
"""Share of pixels whose colours a preset must know. It is below 1, so that a few stray
pixels are reported with their file rather than as an unknown data set."""


@dataclass(frozen=True)
class Preset:
    """A published data set: its name and its classes as its masks hold them."""

    name: str
    classes: Classes

    def fits(self, pixels_by_code: Mapping[int, int]) -> bool:
        """Whether masks with these codes and pixel counts are of this data set.

        Two of its classes must occur, since void and a single class fit many data sets.
        """
        codes = np.array(list(pixels_by_code), np.uint32)
        pixels = np.array(list(pixels_by_code.values()), np.int64)
        known = self.classes.lookup(codes) != UNDECLARED
        occurring = set(self.classes.codes) & set(pixels_by_code)
        return (
            len(occurring) >= 2
            and pixels[known].sum() >= _LEAST_KNOWN_SHARE * pixels.sum()
        )


AERIAL = Preset(
    # Humans in the Loop and MBRSC. The colours are those that the masks hold, which
    # are not those of its classes.json; black is the border of rotated images.
    name="Semantic segmentation of aerial imagery (Dubai)",
    classes=Classes(
        names=("Building", "Land", "Road", "Vegetation", "Water", "Unlabeled"),
        colors=(
            (60, 16, 152),
            (132, 41, 246),
            (110, 193, 228),
            (254, 221, 58),
            (226, 169, 41),
            (155, 155, 155),
        ),
        void_colors=((0, 0, 0),),
    ),
)

CAMVID = Preset(
    # Brostow et al., Semantic object classes in video, 2009, in the eleven classes
    # and the folders that Badrinarayanan et al., SegNet, 2015, made of it.
    name="CamVid",
    classes=Classes(
        names=(
            "Sky",
            "Building",
            "Pole",
            "Road",
            "Pavement",
            "Tree",
            "SignSymbol",
            "Fence",
            "Car",
            "Pedestrian",
            "Bicyclist",
        ),
        colors=(
            (128, 128, 128),
            (128, 0, 0),
            (192, 192, 128),
            (128, 64, 128),
            (60, 40, 222),
            (128, 128, 0),
            (192, 128, 128),
            (64, 64, 128),
            (64, 0, 128),
            (64, 64, 0),
            (0, 128, 192),
        ),
        indices=tuple(range(11)),
        void_indices=(11,),
    ),
)
