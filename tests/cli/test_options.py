"""How file, --set and flags become one recipe."""

from pathlib import Path

import pytest
from typer.main import get_command

from segshrink.cli.app import app
from segshrink.cli.options import assemble_recipe, device_count
from segshrink.errors import RecipeError, UsageError


@pytest.fixture
def recipe_file(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_flags_go_before_settings_and_settings_before_the_file(recipe_file):
    path = recipe_file(
        "seed: 1\nbaselines: true\n"
        "data: {source: elsewhere, split_seed: 4}\n"
        "student: {pruning: {keep: 0.3, multiple_of: 4}}"
    )
    recipe = assemble_recipe(
        "photos",
        path,
        ["student.pruning.keep=0.5", "seed=2", "measuring.rounds=20"],
        split=Path("split.json"),
        seed=3,
        baselines=False,
    )
    assert recipe.seed == 3
    assert recipe.baselines is False
    assert recipe.data.source == "photos"
    assert recipe.data.split == "split.json"
    assert recipe.data.split_seed == 4
    assert recipe.student.pruning.keep == 0.5
    assert recipe.student.pruning.multiple_of == 4
    assert recipe.measuring.rounds == 20


def test_without_flags_the_file_holds(recipe_file):
    recipe = assemble_recipe("photos", recipe_file("seed: 5\nbaselines: true"), None)
    assert (recipe.seed, recipe.baselines) == (5, True)


@pytest.mark.parametrize(
    ("setting", "read"),
    [
        ("student.training.learning_rate=1e-3", lambda r: r.student.training),
        ("student.training.learning_rate=0.001", lambda r: r.student.training),
    ],
)
def test_rates_may_be_written_with_an_exponent(setting, read):
    assert read(assemble_recipe("x", None, [setting])).learning_rate == 0.001


def test_lists_and_words_are_yaml():
    recipe = assemble_recipe(
        "x",
        None,
        [
            "teacher.training.augmentation.scale_jitter=[1, 1]",
            "teacher.model.norm=null",
            "student.training.loss.class_weights=balanced",
        ],
    )
    assert recipe.teacher.training.augmentation.scale_jitter == (1.0, 1.0)
    assert recipe.teacher.model.norm is None
    assert recipe.student.training.loss.class_weights == "balanced"


@pytest.mark.parametrize(
    ("typed", "source"),
    [
        ("photos/", "photos"),
        ("/", "/"),
        ("a//", "a"),
        ("synthetic", "synthetic"),
        ("./synthetic", "./synthetic"),
        ("./synthetic/", "./synthetic"),
        ("synthetic/", "./synthetic"),
    ],
)
def test_slash_at_the_end_does_not_make_another_folder(typed, source):
    assert assemble_recipe(typed, None, None).data.source == source


def test_section_without_fields_is_an_empty_section(recipe_file):
    path = recipe_file("data:\n  # tile_px: 64\nstudent:\n  pruning:\n")
    recipe = assemble_recipe("photos", path, ["student.pruning.keep=0.5"])
    assert recipe.data.source == "photos"
    assert recipe.student.pruning.keep == 0.5


def test_all_faults_come_in_one_message_that_names_the_file(recipe_file):
    path = recipe_file("seed: -1\nstudent: {kind: huge}")
    with pytest.raises(RecipeError) as caught:
        assemble_recipe("photos", path, ["measuring.rounds=1"])
    message = str(caught.value)
    assert message.startswith(f"{path}: 3 faults.")
    assert all(name in message for name in ("seed", "student.kind", "measuring.rounds"))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("seed", "--set seed: must be FIELD=VALUE, such as student.pruning.keep=0.5."),
        ("=1", "--set =1: must be FIELD=VALUE"),
        ("seed={", "'{' is not a YAML value"),
        ("seed=2020-99-99", "'2020-99-99' is not a YAML value"),
        ("data.source=b", "the data set is an argument of its own. Name it there."),
    ],
)
def test_misused_settings(setting, message):
    with pytest.raises(RecipeError) as caught:
        assemble_recipe("a", None, [setting])
    assert message in str(caught.value)


def test_field_below_a_value(recipe_file):
    with pytest.raises(RecipeError, match="data is a value and has no fields"):
        assemble_recipe("photos", recipe_file("data: photos"), None)


def test_unlabelled_folders_of_the_command_replace_those_of_the_file(recipe_file):
    path = recipe_file("data: {unlabelled: [one, two]}")
    assert assemble_recipe("x", path, None).data.unlabelled == ("one", "two")
    given = assemble_recipe("x", path, None, unlabelled=["more/", "synthetic:3"])
    assert given.data.unlabelled == ("more", "synthetic:3")


@pytest.mark.parametrize("verb", ["compress", "distill"])
def test_verbs_take_unlabelled_folders(verb, monkeypatch, tmp_path):
    got = {}

    def stop(*arguments, **options):
        got.update(options)
        raise SystemExit(7)

    monkeypatch.setattr(f"segshrink.cli.{verb}.assemble_recipe", stop)
    models = ["--teacher", "t", "--student", "s"] if verb == "distill" else []
    folders = ["--unlabelled", "a", "--unlabelled", "b"]
    with pytest.raises(SystemExit, match="7"):
        get_command(app).main(
            [verb, "data", *models, "--out", "o", *folders], standalone_mode=False
        )
    assert got["unlabelled"] == ["a", "b"]


@pytest.mark.parametrize(("text", "count"), [("1", 1), ("16", 16), ("all", 0)])
def test_devices_are_a_number_or_all(text, count):
    assert device_count(text) == count


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "", "all 2"])
def test_other_devices_are_refused(text):
    with pytest.raises(UsageError, match="--devices must be a number above 0, or all"):
        device_count(text)
