"""From a Keras model to a file for a runtime, in float32 or int8."""

from segshrink.export.exporting import export_model
from segshrink.export.model_form import in_float32

__all__ = ["export_model", "in_float32"]
