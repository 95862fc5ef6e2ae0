"""Runs SavedModel folders with TensorFlow, on the device that it takes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from segshrink.errors import MissingExtraError, ModelError, first_line
from segshrink.formats import Format
from segshrink.quiet import quiet
from segshrink.records import usable_cores
from segshrink.records.metadata import FileMetadata
from segshrink.runtimes.artifact import (
    checked_signature,
    predicted,
    window_shape,
)

_SIGNATURE = "serving_default"


class SavedModelArtifact:
    """A folder of TensorFlow with a `saved_model.pb`; see `Artifact`.

    Such a folder is a program: its operations may read and write files, as those of no
    other format do. TensorFlow settles its threads when it starts, so that `threads`
    counts the cores that this process may use.

    Args:
        path: the folder.
        head: name or number of the output that gives the classes, if there are several.

    Raises:
        ModelError: if it cannot be read, has no signature to call, or is not one image
            in and logits out.
        MissingExtraError: if the `tensorflow` extra is not installed.
    """

    runtime = Format.SAVED_MODEL
    metadata: FileMetadata | None = None

    def __init__(self, path: Path, head: str | None = None) -> None:
        try:
            with quiet():
                import tensorflow
        except ImportError:
            raise MissingExtraError("Running a SavedModel", "tensorflow") from None
        self.path = path
        self.threads = len(usable_cores())
        self.runtime_version = tensorflow.__version__
        try:
            with quiet():
                # Its signatures live as long as it does.
                self._loaded = tensorflow.saved_model.load(str(path))
        # Its errors have no common base but Exception.
        except Exception as error:
            raise ModelError(
                f"{path}: not a readable SavedModel ({first_line(error)[:160]}). Copy "
                "the whole folder, with `variables` in it, or save the model again."
            ) from error
        self._run = self._only_signature()
        self._input, shape = self._only_input()
        self._output = self._chosen_output(head)
        window = window_shape(shape)
        takes = window or shape
        signature = checked_signature(path, takes, self._shape_of_output(takes))
        self.signature = replace(signature, is_window=window is not None)
        self.input_shape = self.signature.input_shape
        self.num_bands = self.signature.num_bands
        self.num_classes = self.signature.num_classes

    def _only_signature(self) -> Any:
        signatures = dict(getattr(self._loaded, "signatures", {}))
        if _SIGNATURE in signatures or len(signatures) == 1:
            return signatures.get(_SIGNATURE) or next(iter(signatures.values()))
        raise ModelError(
            f"{self.path}: has the signatures {', '.join(signatures) or 'none'}, but "
            f"{_SIGNATURE} is called. Save it again with model.export(FOLDER)."
        )

    def _only_input(self) -> tuple[str, tuple[int | None, ...]]:
        inputs = self._run.structured_input_signature[1]
        types = [spec.dtype.name for spec in inputs.values()]
        if types != ["float32"]:
            raise ModelError(
                f"{self.path}: one float32 input is needed, got {len(types)} of type "
                f"{', '.join(types) or 'none'}."
            )
        name, spec = next(iter(inputs.items()))
        return name, tuple(spec.shape)

    def _chosen_output(self, head: str | None) -> str:
        outputs = self._run.structured_outputs
        names = sorted(outputs)
        if head is not None and head.isdecimal() and int(head) < len(names):
            head = names[int(head)]
        if head is None and len(names) == 1:
            head = names[0]
        if head is None or head not in names:
            listed = ", ".join(
                f"{number} {name} {tuple(outputs[name].shape)}"
                for number, name in enumerate(names)
            )
            raise ModelError(
                f"{self.path}: has the outputs {listed}; which gives the classes? Name "
                "one with --head NAME or --head NUMBER, in a recipe with teacher.head."
            )
        return head

    def _shape_of_output(self, shape: tuple[int | None, ...]) -> tuple:
        """The shape for one image, which a graph with an open batch need not tell."""
        sizes = [size for size in shape[1:] if size is not None]
        if len(sizes) != 3 or len(shape) != 4:
            return ()  # the input is refused
        try:
            with quiet():  # the first call prepares the processor
                return self._called(np.zeros((1, *sizes), np.float32)).shape
        # TensorFlow has an error of its own for each reason.
        except Exception as error:
            raise ModelError(
                f"{self.path}: cannot compute an image of {tuple(sizes)} "
                f"({first_line(error)[:160]}). Export the model with a fixed size."
            ) from error

    def _called(self, image: np.ndarray) -> np.ndarray:
        import tensorflow

        outputs = self._run(**{self._input: tensorflow.constant(image)})
        found: np.ndarray = outputs[self._output].numpy()
        return found

    def run(self, image: np.ndarray) -> np.ndarray:
        """Run the model once; see `Artifact.run`."""
        return self._called(image)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Compute the logits of a batch; see `Artifact.predict`."""
        return predicted(self, images)
