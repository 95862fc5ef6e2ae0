"""The metadata that an exported file carries of its model and data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from segshrink._version import __version__
from segshrink.compression.run_folder import data_of_run
from segshrink.data import Dataset
from segshrink.data.layouts import PART_NAMES
from segshrink.data.splits import shortened
from segshrink.export import fixed_input_shape
from segshrink.formats import Precision
from segshrink.measuring import count_macs
from segshrink.records.bands import Bands
from segshrink.records.measurement import ClassColor, ModelCost
from segshrink.records.metadata import FileMetadata, InputImage, TrainingData

if TYPE_CHECKING:
    import keras


def file_metadata(
    model: keras.Model,
    precision: Precision,
    dataset: Dataset | None = None,
    *,
    bands: Bands | None = None,
) -> FileMetadata:
    """Metadata of a file about its model and the data that this was trained on.

    Args:
        model: the model that is exported.
        precision: precision of the file.
        dataset: data that the model was trained on, if it is known.
        bands: bands of its images, where `dataset` does not say them.
    """
    cost = count_macs(model)
    metadata = FileMetadata(
        segshrink=__version__,
        input=_input_image(model, bands if dataset is None else dataset.train.bands),
        output="logits",
        precision=precision,
        model=ModelCost(parameters=cost.parameters, macs=cost.macs),
    )
    if dataset is None:
        return metadata
    pairs = zip(dataset.classes.names, dataset.classes.colors, strict=True)
    classes = tuple(ClassColor(name=name, color=color) for name, color in pairs)
    return metadata.model_copy(
        update={"classes": classes, "data": training_data(dataset)}
    )


def _input_image(model: keras.Model, bands: Bands | None) -> InputImage:
    height_px, width_px = fixed_input_shape(model)
    image = InputImage(height=height_px, width=width_px, channels="RGB", range=(0, 255))
    if bands is not None:
        image = image.model_copy(update={"bands": bands})
    count = model.inputs[0].shape[3]
    if count == 3 and bands is None:
        return image
    return image.model_copy(update={"channels": f"{count} band{'s' * (count > 1)}"})


def training_data(dataset: Dataset) -> TrainingData:
    """Metadata of a file about the data that its model was trained on."""
    split = dataset.split
    # A data set may have thousands of scenes, and the file is to stay small.
    scenes = {part: shortened(names) for part, names in split.parts.items()}
    return TrainingData(name=dataset.name, split=split.source, scenes=scenes)


def other_split(
    path: Path, metadata: FileMetadata | None, dataset: Dataset
) -> str | None:
    """Warning that a model was trained under another split of the same data.

    Args:
        path: the model's file.
        metadata: metadata of an exported file; without it, the data record of the run
            folder that the file lies in is read.
        dataset: data with its present split.

    Returns:
        A sentence; None if the split is the same, or the data of the file is unknown.
    """
    then = metadata.data if metadata else None
    then = then or _data_of_run(path)
    if then is None or then.name != dataset.name:
        return None
    now = training_data(dataset)
    if then.scenes == now.scenes:
        return None
    # For the patches of a protocol, a file carries the names of their scenes too.
    return (
        f"{path}: was trained under another split ({_shown_split(then)}) than this "
        f"({_shown_split(now)}), so that it may know these images. Name its split with "
        "--split or --split-seed, or its run folder as the data."
    )


def _data_of_run(path: Path) -> TrainingData | None:
    for folder in (path.parent, path.parent.parent):
        known = data_of_run(folder)
        if known is not None:
            scenes = {part: shortened(known.split.scenes(part)) for part in PART_NAMES}
            return TrainingData(
                name=known.name, split=known.split.source, scenes=scenes
            )
    return None


def _shown_split(data: TrainingData) -> str:
    return f"{data.split}: trained on {data.scenes.get('train')}"
