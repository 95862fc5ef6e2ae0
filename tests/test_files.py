"""Which files a run makes, and the pictures it keeps."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segshrink.data import IGNORE_INDEX
from segshrink.files import (
    calibration_tiles,
    data_facts,
    files_to_make,
    other_split,
    sample_writer,
)
from segshrink.recipe import Recipe, parse_recipe
from segshrink.run_folder import Run, open_run


def _names(**fields: object) -> list[str]:
    run = Run(Path("run"), parse_recipe(fields))
    return [item.name for item in files_to_make(run)]


def test_teacher_and_student_in_all_forms():
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
def test_only_the_forms_that_are_asked_for(export, expected):
    forms = {form: form in export for form in ("litert", "int8", "onnx")}
    assert set(_names(export=forms)) == expected


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


def test_calibration_tiles_are_unchanged_pieces_of_training_images(tiny_dataset):
    tiles = calibration_tiles(tiny_dataset, 32, 5)
    assert tiles.shape == (5, 32, 32, 3)
    assert tiles.dtype == np.uint8
    images = [image.read()[0] for image in tiny_dataset.train]
    for tile in tiles:
        assert any(_is_piece_of(tile, image) for image in images)
    np.testing.assert_array_equal(tiles, calibration_tiles(tiny_dataset, 32, 5))


def _is_piece_of(tile: np.ndarray, image: np.ndarray) -> bool:
    windows = np.lib.stride_tricks.sliding_window_view(image, tile.shape)
    return bool((windows == tile).all(axis=(-3, -2, -1)).any())


@pytest.mark.parametrize(
    ("count", "positions"), [(1, [0]), (2, [0, 2]), (3, [0, 1, 2]), (20, [0, 1, 2])]
)
def test_samples_are_spread_over_the_part(tiny_dataset, tmp_path, count, positions):
    part, classes = tiny_dataset.train, tiny_dataset.classes
    draw = sample_writer(tmp_path, part, classes, count, "student-int8")
    for index, image in enumerate(part):
        _, labels = image.read()
        draw(index, image, labels, np.full_like(labels, index))
    entries = json.loads((tmp_path / "samples.json").read_text())
    assert [entry["image"] for entry in entries] == [part[i].name for i in positions]
    for entry, index in zip(entries, positions, strict=True):
        folder = tmp_path / entry["folder"]
        image, labels = part[index].read()
        np.testing.assert_array_equal(_pixels(folder / "image.png"), image)
        truth = _pixels(folder / "truth.png")
        assert (truth[labels == IGNORE_INDEX] == 0).all()
        predicted = _pixels(folder / "student-int8.png")
        assert (predicted == classes.colors[index]).all()


def _pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_a_file_that_knows_what_it_is_measured_on_is_told_of(divided):
    trained = divided(train=[0, 1], val=[2], test=[3])
    facts = data_facts(trained)
    path = Path("m.tflite")
    assert other_split(path, facts, divided(train=[1, 0], val=[2], test=[3])) is None
    told = other_split(path, facts, divided(train=[3, 1], val=[2], test=[0]))
    assert told == (
        "m.tflite: was trained under another split (file split.json: trained on "
        "scene-000, scene-001) than this (file split.json: trained on scene-001, "
        "scene-003), so that it may know these images. Name its split with --split or "
        "--split-seed."
    )
    # Of other data nothing is known.
    facts["data"]["name"] = "elsewhere"
    assert other_split(path, facts, divided(train=[3], val=[2], test=[0])) is None
    assert other_split(path, None, trained) is None


def test_of_a_keras_model_the_run_folder_is_asked(tmp_path, divided):
    run = open_run(
        tmp_path / "run", Recipe(), "", divided(train=[0, 1], val=[2], test=[3])
    )
    again, other = (
        divided(train=train, val=[2], test=[3]) for train in ([0, 1], [0, 4])
    )
    for path in (run.student, run.folder / "model.keras"):
        assert other_split(path, None, again) is None
        assert "trained on scene-000, scene-001" in other_split(path, None, other)
