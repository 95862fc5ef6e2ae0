"""Formats of exported files and the precisions they are computed in.

This is the one vocabulary of everything that writes, runs, measures or names a file.
Both are strings, so that recipes, records and the command line hold them as they are.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

# Side in pixels of the windows that a model of open size predicts; the tiles that a
# recipe trains on are as large.
WINDOW_PX = 256

SAVED_MODEL_FILE = "saved_model.pb"
"""The file that makes a folder a SavedModel."""


PAGE_SUFFIX = ".html"
"""Suffix of a page that runs a model in a browser."""


class Format(StrEnum):
    """Format of a model file, and the name of the runtime that opens it.

    Reports list the members in this order.
    """

    LITERT = "litert"
    ONNX = "onnx"
    OPENVINO = "openvino"
    KERAS = "keras"
    SAVED_MODEL = "savedmodel"

    @property
    def suffix(self) -> str:
        """Suffix of a file of this format, with its dot; none for a folder."""
        return _TRAITS[self].suffix

    @property
    def other_suffixes(self) -> tuple[str, ...]:
        """Further suffixes that are read, but not written."""
        return _TRAITS[self].other_suffixes

    @property
    def weights_suffix(self) -> str | None:
        """Suffix of the file beside it that holds the weights; None if one has all."""
        return _TRAITS[self].weights_suffix

    @property
    def precisions(self) -> tuple["Precision", ...]:
        """Precisions that a file of this format can be exported with, float32 first."""
        return _TRAITS[self].precisions

    @property
    def label(self) -> str:
        """Name of the format for readers."""
        return _TRAITS[self].label

    @property
    def runtime_label(self) -> str:
        """Name of its runtime for readers."""
        return _TRAITS[self].runtime_label or self.label

    @property
    def runtime_module(self) -> str:
        """Module that its runtime is imported as."""
        return _TRAITS[self].runtime_module

    @property
    def runtime_package(self) -> str:
        """Distribution that its runtime is installed with."""
        return _TRAITS[self].runtime_package

    @property
    def is_exported(self) -> bool:
        """Whether files of this format are made of a Keras model."""
        return _TRAITS[self].is_exported

    @classmethod
    def of_file(cls, path: Path | str) -> Self | None:
        """The format that the suffix of `path` names; None for any other suffix.

        A folder that TensorFlow wrote is known by the file `saved_model.pb` in it.
        """
        suffix = Path(path).suffix
        for each in cls:
            if suffix and suffix in (each.suffix, *each.other_suffixes):
                return each
        return cls.SAVED_MODEL if (Path(path) / SAVED_MODEL_FILE).is_file() else None


class Precision(StrEnum):
    """Numbers that an exported file stores and computes with.

    `float16` stores weights in 16 bits; `dynamic` has int8 weights and float32
    activations; `int8` has both in int8; `full_int8` has input and output in int8 too,
    for microcontrollers.
    """

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    DYNAMIC = "dynamic"
    INT8 = "int8"
    FULL_INT8 = "full_int8"

    @classmethod
    def of(cls, quantize: str | None) -> Self:
        """The precision that an argument `quantize` names; None is float32.

        Raises:
            ValueError: for an unknown name.
        """
        return cls("float32" if quantize is None else quantize)

    @property
    def label(self) -> str:
        """Name in file names and for readers: `"float"` for float32."""
        return "float" if self is Precision.FLOAT32 else str(self)

    @property
    def is_calibrated(self) -> bool:
        """Whether ranges of activations are settled beforehand, on images."""
        return self in (Precision.INT8, Precision.FULL_INT8)


class Output(StrEnum):
    """Output of an exported file for each pixel."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"
    """The softmax of the logits."""
    CLASSES = "classes"
    """The index of the class alone, uint8."""


@dataclass(frozen=True, kw_only=True)
class _Traits:
    """The properties of a `Format`, under the same names."""

    suffix: str
    other_suffixes: tuple[str, ...] = ()
    weights_suffix: str | None = None
    precisions: tuple[Precision, ...]
    label: str
    runtime_label: str | None = None
    runtime_module: str
    runtime_package: str
    is_exported: bool = True


class InputRange(StrEnum):
    """Range of the images that a model was trained on.

    Everything here takes grey levels of 0 to 255; a model of another range gets its
    change put in front.
    """

    BYTES = "0-255"
    UNIT = "0-1"
    SIGNED = "-1-1"
    IMAGENET = "imagenet"
    """Minus the mean and divided by the deviation of ImageNet, of images of 0 to 1."""
    CAFFE = "caffe"
    """Blue, green, red, minus the mean of ImageNet."""

    @property
    def scale(self) -> tuple[float, float, float]:
        """Factor of each band, in the order that the model takes."""
        return _RANGES[self][0]

    @property
    def offset(self) -> tuple[float, float, float]:
        """Summand of each band, after the factor."""
        return _RANGES[self][1]

    @property
    def is_reversed(self) -> bool:
        """Whether the model takes blue first."""
        return self is InputRange.CAFFE


_ThreeBands = tuple[float, float, float]
_RANGES: dict[InputRange, tuple[_ThreeBands, _ThreeBands]] = {
    InputRange.BYTES: ((1.0,) * 3, (0.0,) * 3),
    InputRange.UNIT: ((1 / 255,) * 3, (0.0,) * 3),
    InputRange.SIGNED: ((1 / 127.5,) * 3, (-1.0,) * 3),
    # Means of 0.485, 0.456 and 0.406, deviations of 0.229, 0.224 and 0.225.
    InputRange.IMAGENET: (
        (1 / 58.395, 1 / 57.12, 1 / 57.375),
        (-123.675 / 58.395, -116.28 / 57.12, -103.53 / 57.375),
    ),
    InputRange.CAFFE: ((1.0,) * 3, (-103.939, -116.779, -123.68)),
}


_TRAITS = {
    Format.LITERT: _Traits(
        suffix=".tflite",
        precisions=tuple(Precision),
        label="LiteRT",
        runtime_module="ai_edge_litert.interpreter",
        runtime_package="ai-edge-litert",
    ),
    Format.ONNX: _Traits(
        suffix=".onnx",
        precisions=(Precision.FLOAT32, Precision.INT8),
        label="ONNX",
        runtime_label="ONNX Runtime",
        runtime_module="onnxruntime",
        runtime_package="onnxruntime",
    ),
    Format.OPENVINO: _Traits(
        suffix=".xml",
        weights_suffix=".bin",
        precisions=(Precision.FLOAT32, Precision.FLOAT16, Precision.INT8),
        label="OpenVINO",
        runtime_module="openvino",
        runtime_package="openvino",
    ),
    Format.KERAS: _Traits(
        suffix=".keras",
        other_suffixes=(".h5", ".hdf5"),
        precisions=(Precision.FLOAT32,),
        label="Keras",
        runtime_module="keras",
        runtime_package="keras",
        is_exported=False,
    ),
    Format.SAVED_MODEL: _Traits(
        suffix="",
        precisions=(Precision.FLOAT32,),
        label="SavedModel",
        runtime_label="TensorFlow",
        runtime_module="tensorflow",
        runtime_package="tensorflow-cpu",
        is_exported=False,
    ),
}

EXPORTED = tuple(each for each in Format if each.is_exported)


# What people name beside the formats that are read, and what makes one of it.
_FROM_PYTORCH = (
    "It is a file of PyTorch: export the model where it was made with "
    "torch.onnx.export(model, torch.zeros(1, 3, HEIGHT, WIDTH), 'NAME.onnx')."
)
_FROM_CHECKPOINT = (
    "It is a checkpoint of TensorFlow, which holds only weights: load it with "
    "model.load_weights where the model was made, then model.save('NAME.keras')."
)
_REMEDIES = {
    ".pt": _FROM_PYTORCH,
    ".pth": _FROM_PYTORCH,
    ".safetensors": _FROM_PYTORCH,
    ".ckpt": _FROM_CHECKPOINT,
    ".index": _FROM_CHECKPOINT,
    ".npz": (
        "Arrays are no model: set them with model.set_weights where the model was "
        "made, then model.save('NAME.keras')."
    ),
    ".pb": "It is a graph of TensorFlow: name the folder of its SavedModel.",
}


def remedy_for(path: Path | str) -> str | None:
    """How a file of another framework becomes one that is read; None for all else."""
    return _REMEDIES.get(Path(path).suffix.lower())


def listed_suffixes(formats: Iterable[Format]) -> str:
    """`.tflite, .onnx`: suffixes for help and messages."""
    listed = [x for each in formats for x in (each.suffix, *each.other_suffixes)]
    return ", ".join(suffix or "a SavedModel folder" for suffix in listed)
