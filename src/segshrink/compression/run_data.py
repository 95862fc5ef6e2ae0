"""The data that the files of a run were made with: opened as the run opened it."""

from pathlib import Path

from segshrink.compression.data import open_recipe_data
from segshrink.compression.run_folder import (
    data_of_run,
    recipe_of_run,
    require_data_of_run,
)
from segshrink.data import Dataset
from segshrink.data.generated import SOURCE_NAME
from segshrink.data.trained_bands import dataset_as_trained
from segshrink.errors import DatasetError
from segshrink.progress import Progress
from segshrink.recipe import Recipe


def open_run_data(folder: Path, progress: Progress) -> Dataset:
    """Open the labelled data of a run, with the split that the run was begun with.

    Args:
        folder: a run folder, see `data_of_run`.
        progress: receives the notices and the split as lines.

    Raises:
        DatasetError: if the data is not where it was, or has faults.
        RunFolderError: if it is other data or another split by now, listing the
            differences.
    """
    settings = recipe_of_run(folder).data.model_copy(update={"unlabelled": ()})
    for place in (settings.source, settings.split):
        if place not in (SOURCE_NAME, None) and not Path(place).exists():
            raise DatasetError(
                f"{place}: is not there, but the run {folder} was made with it. Repeat "
                "the command in the folder where the run was begun, or name the data "
                "set and its --split."
            )
    dataset = open_recipe_data(Recipe(data=settings), progress)
    known = data_of_run(folder)
    dataset = dataset_as_trained(dataset, known.bands if known else None)
    require_data_of_run(folder, dataset)
    return dataset
