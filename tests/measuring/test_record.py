"""The record that reports read."""

import json
from types import SimpleNamespace

import segshrink
from segshrink.measuring import ModelSize, Subject, measure_size, measurement_record

SUBJECT = Subject(
    name="student-int8",
    role="student",
    file="artifacts/student-int8.tflite",
    format="litert",
    precision="int8",
)


def test_record_has_every_field_of_its_form(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(b"model")
    artifact = SimpleNamespace(
        path=path, runtime="litert", runtime_version="2.1.0", input_shape=(64, 96)
    )
    record = measurement_record(
        SUBJECT,
        artifact,
        model_size=ModelSize(parameters=7, macs=11),
        latency={"median_ms": 1.5},
        quality={"mean_iou": 0.5},
        data={"name": "aerial"},
        seed=3,
    )
    machine = record.pop("machine")
    assert {"processor", "int8_dot_products", "cores", "system", "python"} == set(
        machine
    )
    assert record == {
        "name": "student-int8",
        "role": "student",
        "file": "artifacts/student-int8.tflite",
        "format": "litert",
        "precision": "int8",
        "runtime": "litert",
        "runtime_version": "2.1.0",
        "size": measure_size(path),
        "model": {"parameters": 7, "macs": 11, "input_shape": [64, 96, 3]},
        "latency": {"median_ms": 1.5},
        "quality": {"mean_iou": 0.5},
        "data": {"name": "aerial"},
        "seed": 3,
        "segshrink": segshrink.__version__,
    }
    json.dumps(record, allow_nan=False)
