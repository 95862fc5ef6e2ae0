"""Runs OpenVINO's `.xml` files, with the `.bin` beside them, on the CPU."""

from pathlib import Path
from typing import Any

import numpy as np

from segshrink.errors import MissingExtraError, ModelError, first_line
from segshrink.export.metadata import openvino_metadata
from segshrink.export.openvino import read_model, weights_path
from segshrink.formats import Format
from segshrink.quiet import quiet
from segshrink.runtimes.artifact import checked_signature, predicted
from segshrink.runtimes.class_map import class_map_signature


class OpenVINOArtifact:
    """An `.xml` file; see `Artifact`.

    Args:
        path: the `.xml` file; its weights are the `.bin` file of the same name.
        threads: int >= 1, threads of one prediction.

    Raises:
        ModelError: if the files are not an OpenVINO model of one image in and one
            logits tensor out.
        MissingExtraError: if the `openvino` extra is not installed.
    """

    runtime = Format.OPENVINO

    def __init__(self, path: Path, threads: int) -> None:
        self.path = path
        self.threads = threads
        if not weights_path(path).is_file():
            raise ModelError(
                f"{weights_path(path)}: missing. An OpenVINO model is two files, .xml "
                "and .bin; copy both."
            )
        try:
            model = read_model(path)
            with quiet():
                self._compiled = _compiled(model, threads)
        # Its bindings raise errors of any kind, and say so if it is not installed.
        except MissingExtraError:
            raise
        except Exception as error:
            reason = first_line(error)
            raise ModelError(
                f"{path}: not a readable OpenVINO model ({reason}). Export it again."
            ) from error
        self.runtime_version = _version()
        self.metadata = openvino_metadata(model, path)
        image, logits = self._only_input_and_output()
        if self._compiled.output(0).element_type.get_type_name() == "u8":
            self.signature = class_map_signature(path, image, logits, self.metadata)
        else:
            self.signature = checked_signature(path, image, logits)
        self.input_shape = self.signature.input_shape
        self.num_bands = self.signature.num_bands
        self.num_classes = self.signature.num_classes

    def _only_input_and_output(self) -> tuple[tuple, tuple]:
        ports = [*self._compiled.inputs, *self._compiled.outputs]
        types = [port.element_type.get_type_name() for port in ports]
        known = (["f32", "f32"], ["f32", "u8"])
        if len(self._compiled.inputs) != 1 or types not in known:
            raise ModelError(
                f"{self.path}: one float32 input and one float32 output are needed, "
                f"got {len(self._compiled.inputs)} inputs and "
                f"{len(self._compiled.outputs)} outputs of type {', '.join(types)}."
            )
        image, logits = (
            tuple(n if n.is_dynamic else n.get_length() for n in port.partial_shape)
            for port in ports
        )
        return image, logits

    def run(self, image: np.ndarray) -> np.ndarray:
        """Run the file once; see `Artifact.run`."""
        given: np.ndarray = self._compiled(image)[0]
        return given

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Compute the logits of a batch; see `Artifact.predict`."""
        return predicted(self, images)


def _compiled(model: Any, threads: int) -> Any:
    import openvino
    from openvino import properties

    # By default OpenVINO computes in bfloat16 where the processor can, unlike LiteRT
    # and ONNX Runtime.
    return openvino.Core().compile_model(
        model,
        "CPU",
        {
            properties.hint.inference_precision(): openvino.Type.f32,
            properties.inference_num_threads(): threads,
            properties.hint.performance_mode(): properties.hint.PerformanceMode.LATENCY,
        },
    )


def _version() -> str:
    import openvino

    return openvino.__version__.partition("-")[0]
