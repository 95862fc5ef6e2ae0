"""Quality, latency, memory, size and cost of model files, as records."""

from segshrink.measuring.agreement import check_export
from segshrink.measuring.color_prior import measure_color_prior
from segshrink.measuring.cost import (
    ModelSize,
    Multiplication,
    batch_factor,
    count_macs,
    multiplications,
)
from segshrink.measuring.latency import measure_latency
from segshrink.measuring.machine_peak import measure_peak_macs
from segshrink.measuring.memory import measure_memory
from segshrink.measuring.quality import measure_quality
from segshrink.measuring.record import Subject, data_record, measurement_record
from segshrink.measuring.size import measure_size

__all__ = [
    "ModelSize",
    "Multiplication",
    "Subject",
    "batch_factor",
    "check_export",
    "count_macs",
    "data_record",
    "measure_color_prior",
    "measure_latency",
    "measure_memory",
    "measure_peak_macs",
    "measure_quality",
    "measure_size",
    "measurement_record",
    "multiplications",
]
