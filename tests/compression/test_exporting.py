"""Files that a run exports, and the tiles they are calibrated on."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from segshrink.compression.exporting import _copy, files_to_make
from segshrink.compression.run_folder import Run
from segshrink.recipe import parse_recipe
from segshrink.runtimes import load_artifact

from .teacher_files import write_onnx


def _names(**fields: object) -> list[str]:
    run = Run(Path("run"), parse_recipe(fields))
    return [item.name for item in files_to_make(run)]


def test_teacher_and_student_in_all_formats():
    assert _names() == [
        "teacher-float-litert",
        "teacher-float-onnx",
        "student-float-litert",
        "student-int8-litert",
        "student-float-onnx",
    ]


@pytest.mark.parametrize(
    ("export", "expected"),
    [
        (["litert"], {"teacher-float-litert", "student-float-litert"}),
        (["onnx"], {"teacher-float-onnx", "student-float-onnx"}),
        (["int8"], {"student-int8-litert"}),
    ],
)
def test_only_the_formats_of_the_recipe(export, expected):
    chosen = {name: name in export for name in ("litert", "int8", "onnx")}
    assert set(_names(export=chosen)) == expected


def test_baselines_stand_between_teacher_and_student():
    run = Run(Path("run"), parse_recipe({"baselines": True, "export": {"onnx": False}}))
    items = files_to_make(run)
    assert [item.name for item in items] == [
        "teacher-float-litert",
        "masked-float-litert",
        "alone-float-litert",
        "alone-int8-litert",
        "student-float-litert",
        "student-int8-litert",
    ]
    assert items[1].model == Path("run/baselines/masked/model.keras")
    assert items[3].file_name == "alone-int8.tflite"


def test_names_of_files_and_records_are_unique():
    items = files_to_make(Run(Path("run"), parse_recipe({"baselines": True})))
    assert len({item.name for item in items}) == len(items)
    assert len({item.file_name for item in items}) == len(items)


def test_a_teacher_takes_the_weights_beside_it_along(tmp_path):
    given = tmp_path / "given" / "t.onnx"
    given.parent.mkdir()
    model = onnx.load(str(write_onnx(given, 1)))
    onnx.save(
        model, str(given), save_as_external_data=True, location="weights of t.data",
        size_threshold=0,
    )  # fmt: skip
    copied = tmp_path / "artifacts" / "teacher-float.onnx"
    _copy(given, copied)
    images = np.random.default_rng(0).integers(0, 256, (1, 20, 20, 3), np.uint8)
    expected = load_artifact(given).predict(images)
    assert np.array_equal(load_artifact(copied).predict(images), expected)
