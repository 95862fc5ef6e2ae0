"""Runs `.onnx` files with ONNX Runtime on the CPU."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from segshrink.errors import MissingExtraError, ModelError, first_line
from segshrink.export.metadata import NAME, parse_metadata
from segshrink.formats import Format
from segshrink.runtimes.artifact import (
    Signature,
    checked_signature,
    predicted,
    window_shape,
)
from segshrink.runtimes.class_map import class_map_signature


class ONNXArtifact:
    """An `.onnx` file; see `Artifact`.

    Args:
        path: the file.
        threads: int >= 1, threads within an operation; operations run one by one.

    Raises:
        ModelError: if the file is not an ONNX model, or not one image in, logits out.
        MissingExtraError: if the `onnx` extra is not installed.
    """

    runtime = Format.ONNX

    def __init__(self, path: Path, threads: int) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise MissingExtraError("Running .onnx files", "onnx") from None
        self.path = path
        self.threads = threads
        self.runtime_version = onnxruntime.__version__
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), _options(threads), providers=["CPUExecutionProvider"]
            )
        # Its errors have no common base but Exception.
        except Exception as error:
            raise ModelError(
                f"{path}: not a readable ONNX file ({error}). Export it again."
            ) from error
        properties = self._session.get_modelmeta().custom_metadata_map
        self.metadata = parse_metadata(properties.get(NAME), path)
        image, logits = self._only_input_and_output()
        self._input = image.name
        self.signature = self._signature(tuple(image.shape), tuple(logits.shape))
        self.input_shape = self.signature.input_shape
        self.num_bands = self.signature.num_bands
        self.num_classes = self.signature.num_classes

    def _signature(self, takes: tuple, gives: tuple) -> Signature:
        if self._session.get_outputs()[0].type == "tensor(uint8)":
            return class_map_signature(self.path, takes, gives, self.metadata)
        window = window_shape(takes)
        if window is None:
            return checked_signature(self.path, takes, gives)
        try:
            gives = self._session.run(
                None, {self._input: np.zeros(window, np.float32)}
            )[0].shape
        # Its errors have no common base but Exception.
        except Exception as error:
            raise ModelError(
                f"{self.path}: takes images of any size, but not of {window[1:]} "
                f"({first_line(error)}). Export it with a fixed size."
            ) from error
        return replace(checked_signature(self.path, window, gives), is_window=True)

    def _only_input_and_output(self) -> tuple:
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        types = [tensor.type for tensor in (*inputs, *outputs)]
        known = ["tensor(float)", "tensor(uint8)"]
        if len(inputs) != 1 or types not in (["tensor(float)"] * 2, known):
            raise ModelError(
                f"{self.path}: one float32 input and one float32 output are needed, "
                f"got {len(inputs)} inputs and {len(outputs)} outputs of type "
                f"{', '.join(types)}."
            )
        return inputs[0], outputs[0]

    def run(self, image: np.ndarray) -> np.ndarray:
        """Run the file once; see `Artifact.run`."""
        given: np.ndarray = self._session.run(None, {self._input: image})[0]
        return given

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Compute the logits of a batch; see `Artifact.predict`."""
        return predicted(self, images)


def _options(threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait take the processor from the file that runs next,
    # which falsifies its latency where files are measured in turn.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options
