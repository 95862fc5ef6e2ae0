"""Files of a finished run folder of the tests' recipe."""

from pathlib import Path

RECORDS = (
    "student-float-litert",
    "student-float-onnx",
    "student-int8-litert",
    "teacher-float-litert",
    "teacher-float-onnx",
)
ARTIFACTS = (
    "student-float.onnx",
    "student-float.tflite",
    "student-int8.tflite",
    "teacher-float.onnx",
    "teacher-float.tflite",
)
PICTURES = (
    "class_iou",
    "cost",
    "precision_recall",
    "quality_latency",
    "sample_00",
    "sample_01",
    "training",
)
FILES = {
    "recipe.yaml",
    "data.json",
    *(f"teacher/{name}" for name in ("history.csv", "model.keras", "record.json")),
    *(
        f"student/{name}"
        for name in ("history.csv", "model.keras", "plan.json", "record.json")
    ),
    *(f"artifacts/{name}" for name in ARTIFACTS),
    *(f"artifacts/{name}.json" for name in ARTIFACTS),
    "measurements/classes.json",
    *(f"measurements/{name}.json" for name in RECORDS),
    *(f"measurements/quality/{name}.json" for name in RECORDS),
    "measurements/quality/color_prior.json",
    "measurements/samples/samples.json",
    "measurements/samples/worst.json",
    *(
        f"measurements/samples/{number}/{name}.png"
        for number in ("00", "01", "worst-00", "worst-01")
        for name in ("image", "truth", *RECORDS)
    ),
    "report/index.html",
    "report/try.html",
    *(f"report/{name}.png" for name in PICTURES),
}


def files_of(run: Path) -> set[str]:
    """Names of all files, hidden ones too, relative to the run folder."""
    files = (path for path in run.rglob("*") if path.is_file())
    return {path.relative_to(run).as_posix() for path in files}


def times_of(run: Path) -> dict[str, int]:
    """When each file was last written."""
    return {name: (run / name).stat().st_mtime_ns for name in files_of(run)}
