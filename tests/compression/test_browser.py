"""The page of a run, made of records and files as a run leaves them."""

import json
import os
import shutil
from types import SimpleNamespace

import pytest

from reporting.run_folder import build_run_folder
from segshrink.compression.browser import write_page_of_run
from segshrink.reporting.use import page_path
from segshrink.runtimes import shipped_model


@pytest.fixture
def folder(tmp_path):
    folder = build_run_folder(tmp_path / "run")
    (folder / "artifacts").mkdir(exist_ok=True)
    for name in ("student-int8.tflite", "student-float.tflite"):
        shutil.copyfile(shipped_model(), folder / "artifacts" / name)
    return folder


def context(folder, num_bands=3):
    return SimpleNamespace(
        run=SimpleNamespace(folder=folder),
        dataset=SimpleNamespace(train=SimpleNamespace(num_bands=num_bands)),
    )


def test_it_holds_the_int8_student_and_is_written_once(folder):
    write_page_of_run(context(folder))
    page = page_path(folder)
    assert "<h1>student-int8</h1>" in page.read_text(encoding="utf-8")
    written = page.stat().st_mtime_ns
    write_page_of_run(context(folder))
    assert page.stat().st_mtime_ns == written
    file = folder / "artifacts" / "student-int8.tflite"
    os.utime(file, ns=(written + 1, written + 1))
    write_page_of_run(context(folder))
    assert page.stat().st_mtime_ns > written


def test_there_is_none_for_images_that_are_no_rgb(folder):
    write_page_of_run(context(folder, num_bands=4))
    assert not page_path(folder).exists()


def test_there_is_none_without_a_litert_file(folder):
    shutil.rmtree(folder / "artifacts")
    write_page_of_run(context(folder))
    assert not page_path(folder).exists()


def test_there_is_none_where_files_give_classes_alone(folder):
    for record in (folder / "measurements").glob("student*.json"):
        told = {**json.loads(record.read_text()), "output": "classes"}
        record.write_text(json.dumps(told))
    write_page_of_run(context(folder))
    assert not page_path(folder).exists()
