"""Formats of exported files and the precisions they are computed in.

This is the one vocabulary of everything that writes, runs, measures or names a file.
Both are strings, so that recipes, records and the command line hold them as they are.
"""

from enum import StrEnum
from pathlib import Path
from typing import Self


class Format(StrEnum):
    """Format of a model file, and the name of the runtime that opens it."""

    KERAS = "keras"
    LITERT = "litert"
    ONNX = "onnx"
    OPENVINO = "openvino"

    @property
    def suffix(self) -> str:
        """Suffix of a file of this format, with its dot."""
        return _SUFFIXES[self]

    @property
    def precisions(self) -> tuple["Precision", ...]:
        """Precisions that a file of this format can be exported with, float32 first."""
        return _PRECISIONS[self]

    @classmethod
    def of_file(cls, path: Path | str) -> Self | None:
        """The format that the suffix of `path` names; None for any other suffix."""
        suffix = Path(path).suffix
        return next((each for each in cls if each.suffix == suffix), None)


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


EXPORTED = (Format.LITERT, Format.ONNX, Format.OPENVINO)

_SUFFIXES = {
    Format.KERAS: ".keras",
    Format.LITERT: ".tflite",
    Format.ONNX: ".onnx",
    Format.OPENVINO: ".xml",
}
_PRECISIONS = {
    Format.KERAS: (Precision.FLOAT32,),
    Format.LITERT: tuple(Precision),
    Format.ONNX: (Precision.FLOAT32, Precision.INT8),
    Format.OPENVINO: (Precision.FLOAT32, Precision.FLOAT16, Precision.INT8),
}
