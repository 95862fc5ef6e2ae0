"""How to use the file that a run was for."""

import shutil

import pytest

from segshrink.records.bands import Bands
from segshrink.records.run import RunData
from segshrink.reporting.page import report_page
from segshrink.reporting.run_records import read_run
from segshrink.reporting.use import file_in_use, other_files, page_path
from segshrink.runtimes import shipped_model

from .run_folder import measurement_record


def test_the_int8_student_is_the_file(run_folder):
    folder = run_folder()
    assert file_in_use(read_run(folder)) is None  # the file is gone
    place = folder / "artifacts" / "student-int8.tflite"
    place.parent.mkdir(exist_ok=True)
    shutil.copyfile(shipped_model(), place)
    use = file_in_use(read_run(folder))
    assert use.path == place
    assert use.sentence() == (
        f"Your file: {place}, {use.size}. Try: segshrink predict {place} photo.jpg "
        "--out predicted"
    )
    assert [x.language for x in use.snippets][:2] == ["Python", "Kotlin, on Android"]
    assert all(f'"{place.name}"' in x.text for x in use.snippets)


def test_the_page_for_a_browser_is_linked_where_it_is(run_folder):
    folder = run_folder()
    place = folder / "artifacts" / "student-int8.tflite"
    place.parent.mkdir(exist_ok=True)
    shutil.copyfile(shipped_model(), place)
    assert file_in_use(read_run(folder)).page is None
    assert "try.html" not in report_page(read_run(folder), [])
    page_path(folder).parent.mkdir(exist_ok=True)
    page_path(folder).write_text("")
    assert '<a href="try.html">' in report_page(read_run(folder), [])


def test_other_files_have_programs_too(run_folder):
    folder = run_folder()
    (folder / "artifacts").mkdir(exist_ok=True)
    for name in ("student-int8.tflite", "teacher-float.onnx", "not-measured.onnx"):
        shutil.copyfile(shipped_model(), folder / "artifacts" / name)
    assert "student-int8.tflite" not in other_files(read_run(folder))
    assert "not-measured.onnx" not in other_files(read_run(folder))


@pytest.mark.parametrize("is_exported", [False, True])
def test_a_file_from_elsewhere_has_no_programs(run_folder, is_exported):
    export = {"export": {"agreement": 1.0}} if is_exported else {}
    folder = run_folder(records={"teacher": measurement_record("teacher", **export)})
    (folder / "artifacts").mkdir(exist_ok=True)
    for name in ("student-int8.tflite", "teacher.tflite"):
        shutil.copyfile(shipped_model(), folder / "artifacts" / name)
    assert ("teacher.tflite" in other_files(read_run(folder))) == is_exported


def test_every_measured_file_is_linked_where_it_lies(run_folder):
    folder = run_folder()
    place = folder / "artifacts" / "student-int8.tflite"
    place.parent.mkdir(exist_ok=True)
    shutil.copyfile(shipped_model(), place)
    assert 'href="../artifacts/student-int8.tflite" download' in report_page(
        read_run(folder), []
    )
    assert "artifacts/artifacts" not in report_page(read_run(folder), [])


def test_a_photograph_is_no_image_of_other_bands(run_folder):
    folder = run_folder()
    (folder / "artifacts").mkdir(exist_ok=True)
    for name in ("student-int8.tflite", "student-float.tflite"):
        shutil.copyfile(shipped_model(), folder / "artifacts" / name)
    bands = Bands(use=(1, 2, 3, 4), scale=((0, 255),) * 4)
    RunData(
        name="with near infrared",
        classes={"1": "Land"},
        split={"source": "scenes", "train": ["a"], "val": ["b"], "test": []},
        images={},
        bands=bands,
    ).write(folder / "data.json")
    records = read_run(folder)
    use = file_in_use(records)
    assert use.command.endswith("student-int8.tflite images --out predicted")
    assert use.snippets == ()
    assert other_files(records) == {}
    page = report_page(records, [])
    assert "photo.jpg" not in page
    assert "without segshrink" not in page
