"""The data and the teacher, which a process keeps from one trial to the next."""

import gc
import json
from pathlib import Path

import keras

from segshrink.compression.data import open_recipe_data
from segshrink.data import Dataset
from segshrink.models import load_model
from segshrink.progress import SilentProgress
from segshrink.recipe import Recipe


class Kept:
    """The data and the teacher of the last trial, for the next one.

    A trial with other data or another teacher gets those, and only the last are kept.
    """

    def __init__(self) -> None:
        self._data: tuple[str, Dataset] | None = None
        self._teacher: tuple[Path, keras.Model] | None = None

    def dataset(self, recipe: Recipe) -> Dataset:
        """The data of a recipe, as `open_recipe_data`."""
        # Teachers from files decide on the grey levels that images are read with.
        data = recipe.data.model_dump(mode="json")
        key = json.dumps([data, list(recipe.teacher.files)], sort_keys=True)
        if self._data is None or self._data[0] != key:
            self._data = key, open_recipe_data(recipe, SilentProgress())
        return self._data[1]

    def teacher(self, file: Path) -> keras.Model:
        """The model of a file, loaded once."""
        if self._teacher is None or self._teacher[0] != file:
            self._teacher = file, load_model(file)
        return self._teacher[1]

    def forget(self) -> None:
        """Drop all that Keras holds of the trial before, and its numbers of names."""
        keras.utils.clear_session()
        # Compiled functions and their models refer to each other.
        gc.collect()
