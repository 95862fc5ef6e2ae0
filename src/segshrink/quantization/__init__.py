"""Models that are trained for, and corrected for, what int8 files make of them."""

from segshrink.quantization.fake_quantization import FakeQuantizedModel, observed_ranges

__all__ = ["FakeQuantizedModel", "observed_ranges"]
