import os

import pytest
import yaml

from segshrink.errors import RecipeError, RunFolderError
from segshrink.recipe import Recipe, load_recipe, parse_recipe
from segshrink.run_folder import open_run

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
    run = open_run(tmp_path / "runs" / "first", RECIPE, "segshrink 1, keras 2")
    assert run.recipe == RECIPE
    kept = run.folder / "recipe.yaml"
    assert kept.read_text().startswith("# segshrink 1, keras 2\nseed: 3\n")
    assert load_recipe(kept) == RECIPE


def test_knows_where_everything_lies(tmp_path):
    run = open_run(tmp_path, RECIPE, "")
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


def test_goes_on_with_an_equal_recipe(tmp_path):
    open_run(tmp_path, RECIPE, "segshrink 1")
    (tmp_path / "teacher.txt").write_text("work")
    before = content_of(tmp_path)
    # The versions may be others by now; the file says what the run was begun with.
    assert open_run(str(tmp_path), RECIPE, "segshrink 2").recipe == RECIPE
    assert content_of(tmp_path) == before


def test_refuses_another_run_and_names_what_differs(tmp_path):
    open_run(tmp_path, RECIPE, "")
    before = content_of(tmp_path)
    asked = parse_recipe(
        {
            "seed": 4,
            "teacher": {"training": {"epochs": 5, "loss": {"dice": 1}}},
            "student": {"pruning": {"keep": 0.5}},
        }
    )
    with pytest.raises(RunFolderError) as caught:
        open_run(tmp_path, asked, "")
    assert str(caught.value) == (
        f"{tmp_path}: this folder holds another run.\n"
        "  seed: there 3, asked 4\n"
        "  teacher.training.loss.dice: there 0.0, asked 1.0\n"
        "  student.pruning.keep: there 0.4, asked 0.5\n"
        "Name another folder, or repeat the command that began the run."
    )
    assert content_of(tmp_path) == before


def test_refuses_foreign_files(tmp_path):
    (tmp_path / "thesis.tex").write_text("years")
    with pytest.raises(RunFolderError) as caught:
        open_run(tmp_path, RECIPE, "")
    assert str(caught.value) == (
        f"{tmp_path}: this folder holds other files and no recipe.yaml. "
        "Name a new or empty folder."
    )
    assert content_of(tmp_path) == {"thesis.tex": b"years"}


def test_refuses_a_file(tmp_path):
    file = tmp_path / "out"
    file.write_text("")
    with pytest.raises(RunFolderError) as caught:
        open_run(file, RECIPE, "")
    assert str(caught.value) == f"{file}: this is a file. Name a folder for the run."


def test_tolerates_what_a_kill_at_the_beginning_leaves(tmp_path):
    (tmp_path / ".partial-recipe.yaml").write_text("seed: ")
    open_run(tmp_path, RECIPE, "")
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe\x00"])
def test_a_kept_recipe_that_cannot_be_read(tmp_path, content):
    (tmp_path / "recipe.yaml").write_bytes(content)
    with pytest.raises(RunFolderError, match=r"recipe\.yaml: cannot be read \("):
        open_run(tmp_path, RECIPE, "")


def test_a_kept_recipe_with_faults(tmp_path):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({"seed": -1}))
    with pytest.raises(RecipeError, match=r"recipe\.yaml: 1 fault\.\n  seed: "):
        open_run(tmp_path, Recipe(), "")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_that_cannot_be_written_to(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RunFolderError, match="cannot be written to"):
        open_run(tmp_path / "run", RECIPE, "")


def test_a_folder_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot be written to"):
        open_run(tmp_path / "file" / "run", RECIPE, "")
