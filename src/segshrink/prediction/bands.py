"""The bands that images are read by, as the model that segments them takes them."""

from dataclasses import replace
from pathlib import Path

from segshrink.data.band_reading import BandReader
from segshrink.data.images import SourceFile
from segshrink.errors import DatasetError
from segshrink.records.metadata import bands_of
from segshrink.runtimes import Artifact

_RGB = 3


def reader_for(artifact: Artifact) -> BandReader | None:
    """The reader of the images of a file; None if they are plain RGB pictures.

    A file says which bands it takes and which of their values are 0 and 255. One of
    another origin takes the first bands of images of 8 bits.
    """
    bands = bands_of(artifact.metadata)
    if bands is not None:
        return BandReader.of(bands)
    if artifact.num_bands == _RGB:
        return None
    return BandReader(tuple(range(1, artifact.num_bands + 1)))


def require_known_scale(
    reader: BandReader, dtypes: set[str], image: str, artifact: Artifact
) -> None:
    """Refuse values of more than 8 bits where nothing says what they become.

    Args:
        reader: from `reader_for`.
        dtypes: names of the types of the image's values.
        image: its name in messages.
        artifact: the model file.

    Raises:
        DatasetError: naming both.
    """
    if reader.scale is None and dtypes != {"uint8"}:
        raise DatasetError(
            f"{image}: has values of {' and '.join(sorted(dtypes))}, and "
            f"{artifact.path} does not say which of them are 0 and 255. Export the "
            "model with `segshrink export --data`, or save images of 8 bits."
        )


def source_file(artifact: Artifact, path: Path) -> SourceFile:
    """An image to segment, with the reader of its bands.

    Raises:
        DatasetError: if its values have no known scale.
    """
    file = SourceFile(path, str(path), is_paired=False)
    reader = reader_for(artifact)
    if reader is None:
        return file
    dtype = reader.raster_header(file).dtype
    require_known_scale(reader, {dtype}, file.where, artifact)
    return replace(file, reader=reader)
