import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from segshrink.errors import RunFolderError
from segshrink.records.measurement import Role
from segshrink.reporting.run_records import read_run

from .run_folder import CLASSES, measurement_record

Builder = Callable[..., Path]


def test_measurements_come_teacher_first_then_baselines_then_students(
    run_folder: Builder,
) -> None:
    records = read_run(run_folder())
    assert [each.name for each in records.measurements] == [
        "teacher",
        "teacher-onnx",
        "masked",
        "alone",
        "student-float",
        "student-int8",
        "student-onnx",
    ]


def test_all_parts_are_read(run_folder: Builder) -> None:
    folder = run_folder(samples=2)
    records = read_run(folder)
    assert {each.name: each.color for each in records.classes} == CLASSES
    assert "tile_px: 256" in records.recipe_text
    assert set(records.histories) == {"teacher", "student", "alone"}
    sample = records.samples[1]
    assert sample.name == "Tile 2/image_part_001"
    assert sample.truth == folder / "measurements/samples/01/truth.png"
    assert set(sample.predictions) == {each.name for each in records.measurements}


def test_a_student_pruned_in_steps_saw_the_tiles_of_all(run_folder: Builder) -> None:
    folder = run_folder()
    trained = {
        "kind": "student", "parameters": 9, "macs": 9, "epochs": 3, "best_epoch": 1,
        "best_val_miou": 0.5, "best_val_loss": 1.0, "seconds": 1.0, "seed": 0,
    }  # fmt: skip
    for place, tiles in ((".", 600), ("step-1", 100), ("step-2", 200)):
        record = folder / "student" / place / "record.json"
        record.parent.mkdir(exist_ok=True)
        record.write_text(json.dumps({**trained, "tiles": tiles, "steps": tiles // 8}))
    history = read_run(folder).histories[Role.STUDENT]
    assert history.tiles == 900
    # Its size differed, so that steps are no measure of how soon it learned.
    assert history.steps is None


def test_a_recipe_that_is_no_text_does_not_end_the_report(run_folder: Builder) -> None:
    folder = run_folder()
    (folder / "recipe.yaml").write_bytes(b"seed: \xff")
    assert read_run(folder).recipe_text == "seed: \ufffd"


def test_epochs_without_validation_are_left_out(run_folder: Builder) -> None:
    history = read_run(run_folder()).histories["teacher"]
    epochs, mious = history.points("val_miou")
    assert history.epochs == tuple(range(1, 31))
    assert epochs == list(range(2, 31, 2))
    assert all(0 < miou < 1 for miou in mious)
    assert history.points("no such column") == ([], [])


def test_measurements_alone_suffice(run_folder: Builder) -> None:
    folder = run_folder()
    for optional in ("recipe.yaml", "measurements/classes.json"):
        (folder / optional).unlink()
    for optional in ("teacher", "student", "baselines", "measurements/samples"):
        shutil.rmtree(folder / optional)
    records = read_run(folder)
    assert len(records.measurements) == 7
    assert (records.histories, records.classes, records.samples) == ({}, (), ())
    assert records.recipe_text == ""


def test_without_measurements_the_error_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no measurements.*`segshrink compress`"):
        read_run(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="RUN: no such folder"):
        read_run(tmp_path / "RUN")


def test_all_faults_of_a_record_are_listed(run_folder: Builder) -> None:
    record = measurement_record("teacher", role="boss")
    record["quality"]["mean_iou"] = 78.5
    record["size"]["size_bytes"] = "large"
    with pytest.raises(RunFolderError) as caught:
        read_run(run_folder(records={"teacher": record}))
    message = str(caught.value)
    assert "measurements/teacher.json: not a record" in message
    assert "role: Input should be 'teacher'" in message and "'boss'" in message
    assert "quality.mean_iou" in message and "got 78.5" in message
    assert "size.size_bytes" in message and "got 'large'" in message


def test_two_records_of_one_name_are_refused(run_folder: Builder) -> None:
    folder = run_folder()
    source = folder / "measurements/teacher.json"
    shutil.copy(source, folder / "measurements/copy.json")
    with pytest.raises(RunFolderError, match="teacher stands in more than one record"):
        read_run(folder)


def test_a_broken_history_is_named(run_folder: Builder) -> None:
    folder = run_folder()
    (folder / "student/history.csv").write_text("epoch,loss\n1,low\n")
    with pytest.raises(RunFolderError, match=r"student/history.csv: a history needs"):
        read_run(folder)


def test_a_sample_cannot_point_out_of_its_folder(run_folder: Builder) -> None:
    folder = run_folder()
    index = folder / "measurements/samples/samples.json"
    index.write_text(json.dumps([{"image": "x", "folder": "../../teacher"}]))
    with pytest.raises(RunFolderError, match="a plain name"):
        read_run(folder)


def test_a_partly_written_record_is_not_read(run_folder: Builder) -> None:
    folder = run_folder()
    (folder / "measurements/.partial-new.json").write_text("{")
    assert len(read_run(folder).measurements) == 7
