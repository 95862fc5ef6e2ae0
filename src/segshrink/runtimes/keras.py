"""Runs `.keras` files with Keras itself, on whatever backend it has."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from segshrink.errors import ModelError, first_line
from segshrink.formats import Format
from segshrink.records import usable_cores
from segshrink.records.bands import Bands
from segshrink.records.metadata import FileMetadata, InputImage
from segshrink.runtimes.artifact import (
    Signature,
    checked_signature,
    predicted,
    window_shape,
)


class KerasArtifact:
    """A `.keras` file; see `Artifact`.

    Keras cannot set the threads of one model, and its backends settle theirs when they
    start. `threads` is therefore not an argument: it counts the cores that this process
    may use, which TensorFlow and JAX take by default.

    Args:
        path: the file; it is loaded in safe mode.
        head: output that gives the classes, if there are several.
        architecture: Python file that builds the model; see `load_model`.

    Raises:
        ModelError: if the file is not a Keras model, or not one image in, logits out.
    """

    runtime = Format.KERAS

    def __init__(
        self,
        path: Path,
        head: str | None = None,
        architecture: Path | str | None = None,
    ) -> None:
        import keras

        from segshrink.models import load_model, read_bands

        self.path = path
        self.threads = len(usable_cores())
        self.runtime_version = f"{keras.__version__} ({keras.config.backend()})"
        self.model = load_model(path, head, architecture)
        if len(self.model.inputs) != 1 or len(self.model.outputs) != 1:
            raise ModelError(
                f"{path}: one image in and one logits tensor out is needed, got "
                f"{len(self.model.inputs)} inputs and {len(self.model.outputs)} "
                "outputs."
            )
        self.signature = self._signature()
        self.input_shape = self.signature.input_shape
        self.num_bands = self.signature.num_bands
        self.num_classes = self.signature.num_classes
        self.metadata = _metadata(self.input_shape, read_bands(path))

    def _signature(self) -> Signature:
        takes, gives = (
            (1, *tensor.shape[1:])
            for tensor in (self.model.inputs[0], self.model.outputs[0])
        )
        window = window_shape(takes)
        if window is None:
            return checked_signature(self.path, takes, gives)
        try:
            gives = tuple(self.model.compute_output_shape(window))
        except (ValueError, TypeError) as error:
            raise ModelError(
                f"{self.path}: takes images of any size, but not of {window[1:]} "
                f"({first_line(error)}). Build it with a fixed size."
            ) from error
        return replace(checked_signature(self.path, window, gives), is_window=True)

    def run(self, image: np.ndarray) -> np.ndarray:
        """Run the model once; see `Artifact.run`."""
        return np.asarray(self.model.predict_on_batch(image))

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Compute the logits of a batch; see `Artifact.predict`."""
        return predicted(self, images)


def _metadata(size_px: tuple[int, int], bands: Bands | None) -> FileMetadata | None:
    """Metadata of a `.keras` file about its images; None for plain pictures."""
    if bands is None:
        return None
    height_px, width_px = size_px
    return FileMetadata(input=InputImage(height=height_px, width=width_px, bands=bands))
