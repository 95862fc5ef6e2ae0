"""Runs `.tflite` files with the LiteRT interpreter and its XNNPACK kernels."""

import importlib.metadata
from pathlib import Path

import numpy as np

from segshrink.errors import MissingExtraError, ModelError
from segshrink.export.metadata import litert_metadata
from segshrink.formats import Format
from segshrink.quiet import quiet
from segshrink.runtimes.artifact import checked_signature, predicted
from segshrink.runtimes.class_map import class_map_signature


class LiteRTArtifact:
    """A `.tflite` file; see `Artifact`.

    Args:
        path: the file.
        threads: int >= 1, threads of XNNPACK.

    Raises:
        ModelError: if the file is not a LiteRT model, or not one image in, logits out.
        MissingExtraError: if the `litert` extra is not installed.
    """

    runtime = Format.LITERT

    def __init__(self, path: Path, threads: int) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise MissingExtraError("Running .tflite files", "litert") from None
        self.path = path
        self.threads = threads
        self.runtime_version = importlib.metadata.version("ai-edge-litert")
        try:
            # The interpreter would map the file, and a file that is replaced in the
            # meantime would change under it.
            content = path.read_bytes()
            with quiet():
                self._interpreter = Interpreter(
                    model_content=content, num_threads=threads
                )
                self._interpreter.allocate_tensors()
        # Its bindings raise errors of any kind.
        except Exception as error:
            raise ModelError(
                f"{path}: not a readable LiteRT file ({error}). Export it again."
            ) from error
        self.metadata = litert_metadata(content, path)
        self._image, self._logits = self._only_input_and_output()
        takes, gives = (
            tuple(tensor["shape"].tolist()) for tensor in (self._image, self._logits)
        )
        if _is_class_map(self._logits):
            self.signature = class_map_signature(path, takes, gives, self.metadata)
        else:
            self.signature = checked_signature(path, takes, gives)
        self.input_shape = self.signature.input_shape
        self.num_bands = self.signature.num_bands
        self.num_classes = self.signature.num_classes

    @property
    def is_float_outside(self) -> bool:
        """Whether input and output are float32, as they are unless in `full_int8`."""
        return {self._image["dtype"], self._logits["dtype"]} == {np.float32}

    def _only_input_and_output(self) -> tuple[dict, dict]:
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        types = [tensor["dtype"] for tensor in (*inputs, *outputs)]
        known = {np.float32, np.int8, np.uint8}
        if len(inputs) != 1 or len(outputs) != 1 or not set(types) <= known:
            raise ModelError(
                f"{self.path}: one input and one output of float32, int8 or uint8 are "
                f"needed, got {len(inputs)} inputs and {len(outputs)} outputs of type "
                f"{', '.join(np.dtype(kind).name for kind in types)}."
            )
        for tensor in (*inputs, *outputs):
            scale = tensor["quantization"][0]
            if tensor["dtype"] == np.int8 and not (scale > 0 and np.isfinite(scale)):
                raise ModelError(
                    f"{self.path}: the scale of an int8 tensor must be above 0, got "
                    f"{scale}. Export it again."
                )
        return inputs[0], outputs[0]

    def run(self, image: np.ndarray) -> np.ndarray:
        """Run the file once; see `Artifact.run`."""
        given = _as_stored(image, self._image)
        self._interpreter.set_tensor(self._image["index"], given)
        self._interpreter.invoke()
        stored = self._interpreter.get_tensor(self._logits["index"])
        return _as_float(stored, self._logits)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Compute the logits of a batch; see `Artifact.predict`."""
        return predicted(self, images)


def _as_stored(values: np.ndarray, tensor: dict) -> np.ndarray:
    """Convert float32 values to the type of a tensor of the file."""
    if tensor["dtype"] == np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    if scale == 0:  # grey levels as they are
        scale = 1.0
    limits = np.iinfo(tensor["dtype"])
    steps = np.round(values / scale) + zero_point
    return np.clip(steps, limits.min, limits.max).astype(tensor["dtype"])


def _as_float(values: np.ndarray, tensor: dict) -> np.ndarray:
    """Convert the values of a tensor of the file to float32."""
    if tensor["dtype"] == np.float32 or _is_class_map(tensor):
        return values
    scale, zero_point = tensor["quantization"]
    return (values.astype(np.float32) - zero_point) * scale


def _is_class_map(tensor: dict) -> bool:
    # Logits of uint8 have a scale.
    return bool(tensor["dtype"] == np.uint8 and tensor["quantization"][0] == 0)
