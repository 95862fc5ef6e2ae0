"""A data set as a model takes it that was trained on the bands of other images."""

from dataclasses import replace

from segshrink.data.annotated import Part
from segshrink.data.band_counting import reader_of_part, with_reader
from segshrink.data.band_reading import BandReader
from segshrink.data.dataset import Dataset
from segshrink.data.generated import GeneratedImage
from segshrink.records.bands import Bands

_WITH_INFRARED = 4


def part_as_trained(part: Part, bands: Bands | None) -> Part:
    """The part with the grey levels that a model was trained with.

    Which values are 0 and 255 was counted on the training part of the model's data, and
    other data would have others. If the part has another number of bands, it is read by
    those of the model.

    Args:
        part: the images.
        bands: bands that the model takes; None if they are plain RGB, or unknown.
    """
    if bands is None or len(part) == 0 or part.bands == bands:
        return part
    count = len(bands.use)
    if isinstance(part[0], GeneratedImage):
        if count != _WITH_INFRARED:
            return part
        images = (replace(image, num_bands=count) for image in part)
        return Part(part.name, images, part.classes)
    reader = reader_of_part(part)
    if reader is None:
        return part
    if len(reader.use) == count:
        return with_reader(part, reader.with_scale(bands.scale))
    return with_reader(part, BandReader.of(bands))


def dataset_as_trained(dataset: Dataset, bands: Bands | None) -> Dataset:
    """The data set, all of its parts as of `part_as_trained`."""
    train, val = (part_as_trained(x, bands) for x in (dataset.train, dataset.val))
    is_same = dataset.test is dataset.val
    test = val if is_same else part_as_trained(dataset.test, bands)
    return replace(dataset, train=train, val=val, test=test)
