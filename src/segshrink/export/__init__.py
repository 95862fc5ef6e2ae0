"""From a Keras model to a file for a runtime, in float or int8."""

from segshrink.export.calibration import Calibration
from segshrink.export.exporting import export_model
from segshrink.export.metadata import read_metadata, write_metadata
from segshrink.export.model_form import (
    fixed_input_shape,
    in_float32,
    with_fixed_size,
    with_input_size,
)
from segshrink.export.output import set_output

__all__ = [
    "Calibration",
    "export_model",
    "fixed_input_shape",
    "in_float32",
    "read_metadata",
    "set_output",
    "with_fixed_size",
    "with_input_size",
    "write_metadata",
]
