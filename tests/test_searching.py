"""The search's bookkeeping, with trainings that only pretend."""

import json

import optuna
import pytest

from segshrink import searching
from segshrink.errors import MissingExtraError, RunFolderError, TrainingError
from segshrink.recipe import load_recipe, parse_recipe
from segshrink.records import write_json
from segshrink.searching import search_student

RECIPE = parse_recipe(
    {
        "seed": 3,
        "data": {"scenes": 3, "scene_px": 64, "tile_px": 32},
        "teacher": {"model": {"base_filters": 4, "levels": 1}},
        "student": {"pruning": {"keep": 0.5, "multiple_of": 1}},
    }
)


@pytest.fixture
def students(monkeypatch):
    """Pretends to train; a student's mIoU is the weight of its labels."""
    made = []

    def teacher(recipe, dataset, folder, file, progress):
        made.append("teacher")
        return {"best_val_miou": 0.5}

    def student(recipe, dataset, teacher_file, folder, progress):
        settings = recipe.student
        write_json(folder / "settings.json", settings.model_dump(mode="json"))
        made.append(settings)
        return {"best_val_miou": settings.distillation.supervised}

    monkeypatch.setattr(searching, "make_teacher", teacher)
    monkeypatch.setattr(searching, "make_student", student)
    return made


def test_best_trial_becomes_a_recipe(students, tmp_path):
    best = search_student(RECIPE, tmp_path, trials=6)
    assert students[0] == "teacher"
    tried = students[1:]
    weights = [settings.distillation.supervised for settings in tried]
    assert len(tried) == 6
    assert best.miou == max(weights)
    assert best.trial == weights.index(max(weights))
    recipe = load_recipe(best.recipe)
    assert recipe.student == tried[best.trial]
    assert recipe.teacher == RECIPE.teacher
    assert recipe.student.pruning.keep == 0.5
    for settings in tried:
        assert 2e-4 <= settings.training.learning_rate <= 1e-2
        (weight,) = settings.distillation.losses.values()
        assert 0.1 <= weight <= 10
        assert settings.pruning.scope in ("layer", "global")


def test_same_seed_proposes_the_same(students, tmp_path):
    for name in ("a", "b"):
        search_student(RECIPE, tmp_path / name, trials=3)
    assert students[1:4] == students[5:]


def test_losses_of_the_recipe_are_kept(students, tmp_path):
    data = RECIPE.model_dump(mode="json", exclude_unset=True)
    data["student"]["distillation"] = {"losses": {"pixel_kl": 0.5, "dist": 1.0}}
    recipe = parse_recipe(data)
    search_student(recipe, tmp_path, trials=2)
    for settings in students[1:]:
        assert settings.distillation.losses == {"pixel_kl": 0.5, "dist": 1.0}
        assert 1 <= settings.distillation.temperature <= 6


def test_more_trials_go_on_and_fewer_are_enough(students, tmp_path):
    first = search_student(RECIPE, tmp_path, trials=3)
    assert search_student(RECIPE, tmp_path, trials=2) == first
    assert len(students) == 1 + 3
    search_student(RECIPE, tmp_path, trials=5)
    assert students.count("teacher") == 1
    assert len(students) == 1 + 5
    weights = [settings.distillation.supervised for settings in students[1:]]
    assert len(set(weights)) == 5


@pytest.mark.parametrize("stop", ["ctrl-c", "kill"])
def test_stopped_trial_is_taken_up_where_it_was(students, tmp_path, monkeypatch, stop):
    finished = searching.make_student

    def stopped(recipe, dataset, teacher_file, folder, progress):
        write_json(folder / "checkpoint.json", {"epoch": 4})
        raise KeyboardInterrupt

    search_student(RECIPE, tmp_path, trials=1)
    monkeypatch.setattr(searching, "make_student", stopped)
    if stop == "kill":
        # A process that is killed cannot tell the study that a trial has failed.
        monkeypatch.setattr(optuna.study._tell, "_tell_with_warning", _raise)
    with pytest.raises(KeyboardInterrupt):
        search_student(RECIPE, tmp_path, trials=3)
    monkeypatch.undo()
    monkeypatch.setattr(searching, "make_student", finished)
    search_student(RECIPE, tmp_path, trials=3)
    folders = {path.name: path for path in (tmp_path / "trials").iterdir()}
    assert sorted(folders) == ["000", "002", "003"]
    assert (folders["002"] / "checkpoint.json").is_file()
    study = _study(tmp_path)
    assert study.trials[2].params == study.trials[1].params
    kept = json.loads((folders["002"] / "settings.json").read_text())
    weight = study.trials[1].params["student.distillation.supervised"]
    assert kept["distillation"]["supervised"] == weight
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    assert len(complete) == 3


def _raise(*arguments, **options):
    raise KeyboardInterrupt


def _study(folder):
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(folder / "study.log"))
    )
    return optuna.load_study(study_name="segshrink", storage=storage)


def test_trial_that_diverges_does_not_end_the_search(students, tmp_path, monkeypatch):
    finished = searching.make_student

    def diverging(recipe, *arguments):
        if recipe.student.distillation.supervised > 0.45:
            raise TrainingError("The loss became nan.")
        return finished(recipe, *arguments)

    monkeypatch.setattr(searching, "make_student", diverging)
    best = search_student(RECIPE, tmp_path, trials=8)
    assert best.miou <= 0.45
    states = [trial.state.name for trial in _study(tmp_path).trials]
    assert len(states) == 8
    assert {"COMPLETE", "PRUNED"} == set(states)


def test_search_in_which_every_trial_diverges(students, tmp_path, monkeypatch):
    def diverging(*arguments):
        raise TrainingError("The loss became nan.")

    monkeypatch.setattr(searching, "make_student", diverging)
    with pytest.raises(TrainingError, match="in none of 2 trials the loss stayed"):
        search_student(RECIPE, tmp_path, trials=2)
    assert not (tmp_path / "best.yaml").exists()


def test_folder_of_another_search_is_refused(students, tmp_path):
    search_student(RECIPE, tmp_path, trials=1)
    other = RECIPE.model_copy(update={"seed": 4})
    with pytest.raises(RunFolderError, match="seed: there 3, asked 4"):
        search_student(other, tmp_path, trials=1)


def test_without_optuna_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"segshrink\[search\]"):
        search_student(RECIPE, tmp_path, trials=1)
