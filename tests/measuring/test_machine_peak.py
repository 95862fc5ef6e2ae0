"""Peak multiplication rate of the machine."""

import time

import numpy as np

from segshrink.measuring import measure_peak_macs


def test_it_is_at_least_what_a_smaller_product_reaches_here():
    a = np.random.default_rng(0).random((256, 256), dtype=np.float32)
    a @ a
    start = time.perf_counter()
    a @ a
    here = 256**3 / (time.perf_counter() - start)
    # The processor is shared: a quarter is far from a fault of units.
    assert measure_peak_macs(threads=1) > here / 16
    assert measure_peak_macs(threads=1) < 1e14
