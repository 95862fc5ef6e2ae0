"""Quantization-aware training and correction of models for int8 files."""

from segshrink.quantization.fake_quantization import FakeQuantizedModel, observed_ranges

__all__ = ["FakeQuantizedModel", "observed_ranges"]
