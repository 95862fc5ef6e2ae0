"""The record that reports read."""

import json
from types import SimpleNamespace

import segshrink
from segshrink.formats import Format, Precision
from segshrink.measuring import Subject, measure_size, measurement_record
from segshrink.records.machine import this_machine
from segshrink.records.measurement import (
    DataRecord,
    Export,
    Latency,
    Measurement,
    ModelCost,
    Quality,
    Role,
)
from segshrink.runtimes.outputs import OutputKind

SUBJECT = Subject(
    name="student-int8-litert",
    role=Role.NO_TEACHER,
    file="artifacts/student-int8.tflite",
    format=Format.LITERT,
    precision=Precision.INT8,
    cost=ModelCost(parameters=7, macs=11),
    export=Export(agreement=0.9, drop=0.5),
)
LATENCY = Latency(median_ms=1.5, p25_ms=1.25, p75_ms=1.75, threads=1)


def test_the_record_holds_every_part(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(b"model")
    artifact = SimpleNamespace(
        path=path,
        runtime="litert",
        runtime_version="2.1.0",
        input_shape=(64, 96),
        num_bands=3,
        signature=SimpleNamespace(output=OutputKind.LOGITS),
    )
    record = measurement_record(
        SUBJECT,
        artifact,
        latency=LATENCY,
        quality=Quality(part="test", mean_iou=0.5),
        data=DataRecord(name="aerial"),
        seed=3,
    )
    record.write(tmp_path / "record.json")
    assert Measurement.read(tmp_path / "record.json") == record
    assert json.loads((tmp_path / "record.json").read_text()) == {
        "name": "student-int8-litert",
        "role": "alone",
        "file": "artifacts/student-int8.tflite",
        "format": "litert",
        "precision": "int8",
        "runtime": "litert",
        "runtime_version": "2.1.0",
        "output": "logits",
        "size": measure_size(path).as_plain(),
        "model": {"parameters": 7, "macs": 11, "input_shape": [64, 96, 3]},
        "latency": {"median_ms": 1.5, "p25_ms": 1.25, "p75_ms": 1.75, "threads": 1},
        "quality": {"part": "test", "mean_iou": 0.5},
        "data": {"name": "aerial"},
        "seed": 3,
        "machine": this_machine().as_plain(),
        "segshrink": segshrink.__version__,
        "export": {"agreement": 0.9, "drop": 0.5},
    }
