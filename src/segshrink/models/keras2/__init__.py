"""HDF5 files of Keras 2 as models of Keras 3, without running code from them.

Keras itself reads such files only in part: it stops at settings that layers no longer
have, at slashes in names and at operations of TensorFlow between layers. So the graph
is built here, layer by layer, and weights are found by the names of layers.
"""

from segshrink.models.keras2.archives import load_archive
from segshrink.models.keras2.configs import BUILD_IT
from segshrink.models.keras2.reading import HDF5_SUFFIXES, load_hdf5

__all__ = ["BUILD_IT", "HDF5_SUFFIXES", "load_archive", "load_hdf5"]
