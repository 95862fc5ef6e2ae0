"""What the doctor prints of an examination."""

from segshrink.cli.doctor import _lines
from segshrink.records.examination import (
    Backend,
    Device,
    Examination,
    Extra,
    Runtime,
    Speed,
)
from segshrink.records.machine import Machine


def printed(**changes) -> str:
    found = {
        "segshrink": "1",
        "machine": Machine(processor="A chip", cores=4),
        "memory_bytes": 16_000_000_000,
        "instruction_sets": ("avx2",),
        "backend": Backend(name="jax", version="0.9", keras="3.15"),
    }
    return "\n".join(_lines(Examination(**found | changes)))


def test_machine_and_backend():
    device = Device(name="gpu:0", kind="H200", memory_bytes=140_000_000_000)
    backend = Backend(name="jax", version="0.9", keras="3.15", devices=(device,))
    text = printed(backend=backend)
    assert "Processor: A chip, 4 cores to use" in text
    assert "Instruction sets: avx2" in text
    assert "Memory: 16.0 GB" in text
    assert "Backend: jax 0.9, Keras 3.15\n  gpu:0 H200, 140.0 GB for training" in text


def test_what_is_unknown_is_said():
    text = printed(memory_bytes=None, instruction_sets=())
    assert "Instruction sets: unknown" in text
    assert "Memory: unknown" in text


def test_a_broken_backend_comes_with_a_remedy():
    text = printed(backend=Backend(name="torch", fault="ImportError: no torch"))
    assert "Backend: torch cannot be imported: ImportError: no torch" in text
    assert "environment variable KERAS_BACKEND" in text


def test_runtimes_and_extras():
    text = printed(
        runtimes=(
            Runtime(name="LiteRT", package="ai-edge-litert", version="2.1"),
            Runtime(name="OpenVINO", package="openvino", fault="is not installed"),
        ),
        extras=(
            Extra(name="litert", brings="x"),
            Extra(name="geo", brings="scenes", missing=("rasterio",), install="pip i"),
        ),
    )
    assert "  LiteRT (ai-edge-litert 2.1)\n" in text
    assert "  OpenVINO (openvino): is not installed\n" in text
    assert "Extras that are installed: litert\n" in text
    assert "Missing: geo: scenes\n  pip i  (lacks rasterio)" in text


def test_speed():
    assert "Speed" not in printed()
    text = printed(speed=Speed(trained=1234.5, batch_size=8, cut=400))
    assert "  1,234 trained, a compact student in batches of 8" in text
    assert "  400 cut and augmented by one thread of the host" in text
    assert "not measured: broken" in printed(speed=Speed(fault="broken"))
