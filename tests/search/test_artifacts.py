"""Recipes and files of the trials that a search keeps for its user."""

import pytest

from segshrink.recipe import load_recipe
from segshrink.records.search import Trial
from segshrink.search.artifacts import keep_artifacts, write_best

from .pretended import RATE, WIDTH, small_search

FILE = "trials/000/student.tflite"


@pytest.fixture
def out(tmp_path):
    (tmp_path / "trials" / "000").mkdir(parents=True)
    (tmp_path / FILE).write_text("content")
    return tmp_path


def trial(number=0, **changes):
    known = {
        "number": number,
        "state": "complete",
        "values": {RATE: 0.01, WIDTH: 16},
        "miou": 0.51234,
        "latency_ms": 1.2345,
        "size_bytes": 12345,
        "file": FILE,
    }
    return Trial(**known | changes)


def test_a_trial_leaves_its_file_and_a_recipe_to_repeat_it(out):
    search_recipe = small_search()
    assert keep_artifacts([trial(3)], search_recipe, out) == {
        3: "artifacts/trial-003.tflite"
    }
    assert (out / "artifacts" / "trial-003.tflite").read_text() == "content"
    path = out / "artifacts" / "trial-003.yaml"
    head = "# Trial 3 of a search: validation mIoU 0.5123, 1.23 ms, 12,345 bytes.\n"
    assert path.read_text().startswith(head)
    recipe = load_recipe(path)
    assert recipe.student.model.width == 16
    assert recipe.student.training.learning_rate == 0.01


def test_trials_that_left_the_front_are_removed(out):
    search_recipe = small_search()
    keep_artifacts([trial(1), trial(2)], search_recipe, out)
    (out / "artifacts" / "notes.txt").write_text("of the user")
    keep_artifacts([trial(2)], search_recipe, out)
    names = sorted(path.name for path in (out / "artifacts").iterdir())
    assert names == ["notes.txt", "trial-002.tflite", "trial-002.yaml"]


@pytest.mark.parametrize("file", [None, "trials/of another host/student.tflite"])
def test_a_trial_without_a_file_here_leaves_its_recipe(out, file):
    assert keep_artifacts([trial(1, file=file)], small_search(), out) == {}
    assert (out / "artifacts" / "trial-001.yaml").is_file()


def test_the_recipe_of_the_best_trial(out):
    write_best(trial(4, latency_ms=None), small_search(), out)
    text = (out / "best.yaml").read_text()
    assert text.startswith("# Trial 4 of a search: validation mIoU 0.5123.\n")
    assert load_recipe(out / "best.yaml").student.model.width == 16
