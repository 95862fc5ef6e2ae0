"""What a file says of the split that it was trained under."""

from pathlib import Path

from segshrink.compression.metadata import (
    data_metadata,
    other_split,
)
from segshrink.compression.run_folder import open_run
from segshrink.recipe import Recipe


def test_a_file_that_knows_what_it_is_measured_on_is_told_of(divided):
    trained = divided(train=[0, 1], val=[2], test=[3])
    facts = data_metadata(trained)
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
