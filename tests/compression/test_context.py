"""The context that all stages of a run share."""

from segshrink.compression.context import Context
from segshrink.progress import SilentProgress
from segshrink.recipe import parse_recipe
from segshrink.records.measurement import Role


def test_each_stage_has_a_seed_of_its_own(tiny_dataset, tmp_path):
    context = Context(parse_recipe({"seed": 7}), tiny_dataset, tmp_path)
    # Checkpoints of runs that are resumed hold these numbers.
    assert {role: context.seed(role) for role in Role} == {
        Role.TEACHER: 7,
        Role.STUDENT: 8,
        Role.MASKS_ONLY: 9,
        Role.NO_TEACHER: 10,
    }


def test_a_training_run_gets_data_seed_and_progress(tiny_dataset, tmp_path):
    progress = SilentProgress()
    recipe = parse_recipe({"seed": 7, "data": {"tile_px": 96}})
    context = Context(recipe, tiny_dataset, tmp_path, progress)
    training = context.training(Role.STUDENT, tmp_path / "student", label="student")
    assert training.dataset is tiny_dataset and training.progress is progress
    assert training.folder == tmp_path / "student" and training.label == "student"
    assert training.seed == 8
    assert context.tile_px == 96
    assert context.run.folder == tmp_path and context.run.recipe is recipe
