import os
from pathlib import Path

import pytest
import yaml

from segshrink.compression import run_folder
from segshrink.compression.run_folder import (
    data_of_run,
    open_run,
    refuse_known_pictures_of_new,
    run_of_file,
)
from segshrink.data import open_dataset
from segshrink.errors import RecipeError, RunFolderError
from segshrink.progress import SilentProgress
from segshrink.recipe import Recipe, load_recipe, parse_recipe

SCENES = open_dataset("synthetic", scenes=6, scene_px=64)
RECIPE = parse_recipe(
    {
        "seed": 3,
        "teacher": {"training": {"epochs": 5, "loss": {"dice": 0}}},
        "student": {"pruning": {"keep": 0.4}},
    }
)


def content_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_begins_a_run_with_the_complete_recipe(tmp_path):
    run = open_run(tmp_path / "runs" / "first", RECIPE, "segshrink 1, keras 2", SCENES)
    assert run.recipe == RECIPE
    kept = run.folder / "recipe.yaml"
    assert kept.read_text().startswith("# segshrink 1, keras 2\nseed: 3\n")
    assert load_recipe(kept) == RECIPE


def test_knows_where_everything_lies(tmp_path):
    run = open_run(tmp_path, RECIPE, "", SCENES)
    assert {
        name: str(getattr(run, name).relative_to(tmp_path))
        for name in ("teacher", "student", "artifacts", "measurements", "report")
    } == {
        "teacher": "teacher/model.keras",
        "student": "student/model.keras",
        "artifacts": "artifacts",
        "measurements": "measurements",
        "report": "report/index.html",
    }


@pytest.mark.parametrize("name", ["study.log", "search.json", "trials"])
def test_refuses_the_folder_of_a_search(tmp_path, name):
    open_run(tmp_path, RECIPE, "", SCENES, of_search=True)
    (tmp_path / name).mkdir()
    open_run(tmp_path, RECIPE, "", SCENES, of_search=True)
    with pytest.raises(RunFolderError, match="this folder holds a search"):
        open_run(tmp_path, RECIPE, "", SCENES)


def test_resumes_with_an_equal_recipe(tmp_path):
    open_run(tmp_path, RECIPE, "segshrink 1", SCENES)
    (tmp_path / "teacher.txt").write_text("work")
    before = content_of(tmp_path)
    # Versions may have changed; the file keeps those that the run was begun with.
    assert open_run(str(tmp_path), RECIPE, "segshrink 2", SCENES).recipe == RECIPE
    assert content_of(tmp_path) == before


def test_refuses_another_run_and_names_the_differences(tmp_path):
    open_run(tmp_path, RECIPE, "", SCENES)
    before = content_of(tmp_path)
    requested = parse_recipe(
        {
            "seed": 4,
            "teacher": {"training": {"epochs": 5, "loss": {"dice": 1}}},
            "student": {"pruning": {"keep": 0.5}},
        }
    )
    with pytest.raises(RunFolderError) as caught:
        open_run(tmp_path, requested, "", SCENES)
    assert str(caught.value) == (
        f"{tmp_path}: this folder holds another run.\n"
        "  seed: 3 in this folder, 4 requested\n"
        "  teacher.training.loss.dice: 0.0 in this folder, 1.0 requested\n"
        "  student.pruning.keep: 0.4 in this folder, 0.5 requested\n"
        "Name another folder, or repeat the command that began the run."
    )
    assert content_of(tmp_path) == before


def test_another_kind_of_model_or_loss_is_named_too(tmp_path):
    open_run(tmp_path, RECIPE, "", SCENES)
    requested = {
        "teacher": {"model": {"name": "efficientnet_lite", "variant": 2}},
        "student": {"distillation": {"losses": {"dist": 1.0}}},
    }
    with pytest.raises(RunFolderError) as caught:
        open_run(tmp_path, parse_recipe(requested), "", SCENES)
    message = str(caught.value)
    assert (
        "teacher.model.name: 'unet' in this folder, 'efficientnet_lite' requested"
        in message
    )
    assert "teacher.model.variant: None in this folder, 2 requested" in message
    assert "teacher.model.base_filters: 16 in this folder, None requested" in message
    assert "distillation.losses" in message


def test_refuses_to_measure_on_what_was_trained_on(tmp_path, divided):
    run = tmp_path / "run"
    open_run(run, RECIPE, "", divided(train=[0, 1], val=[2], test=[3]))
    before = content_of(run)
    open_run(run, RECIPE, "", divided(train=[1, 0], val=[2], test=[3]))
    with pytest.raises(RunFolderError) as caught:
        open_run(run, RECIPE, "", divided(train=[1], val=[2], test=[0]))
    assert str(caught.value) == (
        f"{run}: this folder holds a run on other data.\n"
        "  train: then scene-000, scene-001; now scene-001\n"
        "  test: then scene-003; now scene-000\n"
        "Name another folder, or bring back the data and the split it was begun with."
    )
    assert content_of(run) == before


def test_refuses_images_that_were_added_or_changed(tmp_path):
    open_run(tmp_path, RECIPE, "", SCENES)
    with pytest.raises(RunFolderError, match="train: then scene-000, .*; now scene-"):
        more = open_dataset("synthetic", scenes=9, scene_px=64)
        open_run(tmp_path, RECIPE, "", more)
    with pytest.raises(RunFolderError, match=r"val: 1 images then, 1 now; their names"):
        larger = open_dataset("synthetic", scenes=6, scene_px=96)
        open_run(tmp_path, RECIPE, "", larger)


def test_resumes_a_run_that_was_begun_before_data_was_recorded(tmp_path):
    open_run(tmp_path, RECIPE, "", SCENES)
    (tmp_path / "data.json").unlink()
    open_run(tmp_path, RECIPE, "", SCENES)
    assert (tmp_path / "data.json").is_file()


def test_refuses_foreign_files(tmp_path):
    (tmp_path / "thesis.tex").write_text("years")
    with pytest.raises(RunFolderError) as caught:
        open_run(tmp_path, RECIPE, "", SCENES)
    assert str(caught.value) == (
        f"{tmp_path}: this folder holds other files and no recipe.yaml. "
        "Name a new or empty folder."
    )
    assert content_of(tmp_path) == {"thesis.tex": b"years"}


def test_refuses_a_file(tmp_path):
    file = tmp_path / "out"
    file.write_text("")
    with pytest.raises(RunFolderError) as caught:
        open_run(file, RECIPE, "", SCENES)
    assert str(caught.value) == f"{file}: this is a file. Name a folder for the run."


def test_tolerates_what_a_kill_at_the_beginning_leaves(tmp_path):
    (tmp_path / ".partial-recipe.yaml").write_text("seed: ")
    open_run(tmp_path, RECIPE, "", SCENES)
    assert {path.name for path in tmp_path.iterdir()} == {"recipe.yaml", "data.json"}


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe\x00"])
def test_a_kept_recipe_that_cannot_be_read(tmp_path, content):
    (tmp_path / "recipe.yaml").write_bytes(content)
    with pytest.raises(RunFolderError, match=r"recipe\.yaml: cannot be read \("):
        open_run(tmp_path, RECIPE, "", SCENES)


def test_a_kept_recipe_with_faults(tmp_path):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({"seed": -1}))
    with pytest.raises(RecipeError, match=r"recipe\.yaml: 1 fault\.\n  seed: "):
        open_run(tmp_path, Recipe(), "", SCENES)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_that_cannot_be_written_to(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RunFolderError, match="cannot be written to"):
        open_run(tmp_path / "run", RECIPE, "", SCENES)


def test_a_folder_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot be written to"):
        open_run(tmp_path / "file" / "run", RECIPE, "", SCENES)


WITH_UNLABELLED = open_dataset(
    "synthetic", scenes=6, scene_px=64, unlabelled=["synthetic:2"]
)


def test_the_record_of_the_data_counts_unlabelled_images(tmp_path):
    open_run(tmp_path / "with", RECIPE, "", WITH_UNLABELLED)
    assert data_of_run(tmp_path / "with").unlabelled.count == 2
    open_run(tmp_path / "without", RECIPE, "", SCENES)
    assert "unlabelled" not in (tmp_path / "without" / "data.json").read_text()


def test_refuses_other_unlabelled_images(tmp_path):
    open_run(tmp_path, RECIPE, "", WITH_UNLABELLED)
    open_run(tmp_path, RECIPE, "", WITH_UNLABELLED)
    with pytest.raises(RunFolderError, match="unlabelled: 2 images then, 0 now; their"):
        open_run(tmp_path, RECIPE, "", SCENES)


def test_unlabelled_images_are_compared_when_a_run_begins(tmp_path, monkeypatch):
    compared = []
    monkeypatch.setattr(
        run_folder, "refuse_known_pictures", lambda *given: compared.append(given)
    )
    progress = SilentProgress()
    refuse_known_pictures_of_new(tmp_path, WITH_UNLABELLED, progress)
    open_run(tmp_path, RECIPE, "", WITH_UNLABELLED)
    refuse_known_pictures_of_new(tmp_path, WITH_UNLABELLED, progress)
    assert compared == [(WITH_UNLABELLED, progress)]


def test_a_file_knows_the_run_that_it_lies_in(tmp_path, monkeypatch):
    open_run(tmp_path / "runs" / "first", RECIPE, "", SCENES)
    monkeypatch.chdir(tmp_path)
    for name in ("artifacts/s.tflite", "baselines/masks_only/model.keras", "s.onnx"):
        file = Path("runs") / "first" / name
        assert run_of_file(file) == tmp_path / "runs" / "first"
    assert run_of_file(Path("runs") / "s.tflite") is None
