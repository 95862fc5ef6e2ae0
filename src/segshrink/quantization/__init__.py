"""Models that are trained for, and corrected for, what int8 files make of them."""

from segshrink.quantization.twin import QuantizedTwin, observed_ranges

__all__ = ["QuantizedTwin", "observed_ranges"]
