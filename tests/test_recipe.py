import textwrap
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from segshrink.errors import RecipeError
from segshrink.recipe import (
    FEATURE_LOSSES,
    LOGIT_LOSSES,
    Recipe,
    TrainingSettings,
    load_recipe,
    parse_recipe,
    read_recipe_data,
    recipe_yaml,
)
from segshrink.search.space import parse_search_recipe

MACS = {"kind": "macs", "target": 0.5}
INT8 = {"kind": "size", "target": 90_000, "quantize": "int8"}


FOLDER = Path(__file__).parent.parent / "recipes"
RECIPES = sorted(FOLDER.glob("*.yaml"))
SPLITS = sorted((FOLDER / "splits").glob("*.yaml"))


def faults_of(data) -> str:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(data, where="mine.yaml")
    return str(caught.value)


def test_an_empty_recipe_is_the_default_run(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing\n")
    assert load_recipe(path) == Recipe()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_bundled_recipes_are_valid(path):
    data = read_recipe_data(path)
    if "search" in data:
        parse_search_recipe(data, where=path.name)
    else:
        parse_recipe(data, where=path.name)


def test_bundled_splits_measure_each_tile_of_the_aerial_set_once():
    splits = [yaml.safe_load(path.read_text()) for path in SPLITS]
    tiles = [f"Tile {number}" for number in range(1, 9)]
    assert sorted(tile for split in splits for tile in split["test"]) == tiles
    for split in splits:
        assert sorted(split["train"] + split["val"] + split["test"]) == tiles


def test_all_faults_at_once():
    data = {
        "sed": 1,
        "data": {"tile_px": 100},
        "teacher": {"model": {"levels": "many"}, "training": {"epochs": 0}},
        "student": {"pruning": {"keep": 1.5}, "distillation": {"supervised": -1}},
    }
    assert faults_of(data).splitlines() == [
        "mine.yaml: 6 faults.",
        "  data.tile_px: Input should be a multiple of 32 (got 100)",
        "  teacher.model.levels: Input should be a valid integer, unable to parse "
        "string as an integer (got 'many')",
        "  teacher.training.epochs: Input should be greater than or equal to 1 (got 0)",
        "  student.pruning.keep: Input should be less than 1 (got 1.5)",
        "  student.distillation.supervised: Input should be greater than or equal to "
        "0 (got -1)",
        "  sed: Extra inputs are not permitted (got 1). Did you mean seed?",
    ]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (
            {"student": {"distillation": {"losses": {"pixel_kl": 1, "kl": 1}}}},
            "student.distillation.losses: must be weights of some of "
            + ", ".join(LOGIT_LOSSES + FEATURE_LOSSES),
        ),
        (
            {"student": {"distillation": {"losses": {"dist": 0}}}},
            "student.distillation.losses: weights must be above 0; leave a loss out "
            "to drop it",
        ),
        (
            {"student": {"distillation": {"losses": {"dist": 1}, "temperature": 2}}},
            "student.distillation: temperature: no effect without pixel_kl in losses, "
            "drop it",
        ),
        (
            {"student": {"distillation": {"temperature": 2}}},
            "student.distillation: temperature: no effect without pixel_kl in losses, "
            "drop it",
        ),
        (
            {"student": {"distillation": {"boundary_weight": 2}}},
            "student.distillation: boundary_weight: no effect without a loss over "
            "pixels in losses (dist, feature_hint, pixel_kl, soft_dice), drop it",
        ),
        (
            {
                "student": {
                    "distillation": {
                        "losses": {"channel_wise": 1},
                        "boundary_weight": 3,
                    }
                }
            },
            "student.distillation: boundary_weight: no effect without a loss over "
            "pixels in losses (dist, feature_hint, pixel_kl, soft_dice), drop it",
        ),
        (
            {
                "student": {
                    "distillation": {"cache_views": 2},
                    "training": {"augmentation": {"photometric": 0}},
                }
            },
            "student: distillation.cache_views: no effect where "
            "training.augmentation.photometric is 0, drop it",
        ),
        (
            {"student": {"distillation": {"layers": ["decoder"]}}},
            "student.distillation: layers: no effect without a loss of feature maps",
        ),
        (
            {"student": {"distillation": {"cache": False, "cache_views": 2}}},
            "student.distillation: cache_views: no effect without cache, drop it",
        ),
        (
            {"student": {"distillation": {"cache": False, "cache_stride": 2}}},
            "student.distillation: cache_stride: no effect without cache, drop it",
        ),
        (
            {"student": {"distillation": {"cache": False, "cache_averaged": True}}},
            "student.distillation: cache_averaged: no effect without cache, drop it",
        ),
        (
            {"data": {"source": "houses", "scenes": 6}},
            "data: scenes, scene_px and bands apply to source: synthetic only",
        ),
        (
            {"data": {"source": "houses", "scene_px": 128}},
            "data: scenes, scene_px and bands apply to source: synthetic only",
        ),
        (
            {"data": {"source": "houses", "protocol": "random-patch"}},
            "data: protocol: random-patch needs split, a file of patches",
        ),
        (
            {"data": {"protocol": "random-patch", "split": "p.json", "scenes": 9}},
            "data: scenes, scene_px and bands have no effect with protocol: "
            "random-patch",
        ),
        (
            {"teacher": {"file": "t.keras", "training": {"epochs": 3}}},
            "teacher: a teacher file is taken as it is: drop model and training",
        ),
        (
            {"teacher": {"file": "t.keras", "model": {}}},
            "teacher: a teacher file is taken as it is: drop model and training",
        ),
        (
            {"student": {"model": {"width": 16}}},
            "student: a pruned student does not use model: drop it",
        ),
        (
            {"student": {"kind": "compact", "pruning": {"keep": 0.5}}},
            "student: a compact student does not use pruning: drop it",
        ),
        (
            {"student": {"pruning": {"keep": 0.5, "budget": MACS}}},
            "student.pruning: give keep or budget, not both",
        ),
        (
            {"student": {"pruning": {"tiles": 8, "recovery": "none"}}},
            "student.pruning: tiles: no effect with criterion group_norm and no "
            "recovery",
        ),
        (
            {"student": {"pruning": {"step_epochs": 8}}},
            "student.pruning: step_epochs: no effect with one step",
        ),
        (
            {"student": {"pruning": {"budget": {**MACS, "runtime": "onnx"}}}},
            "student.pruning.budget: runtime: no effect on macs, drop it",
        ),
        (
            {"student": {"pruning": {"budget": {**INT8, "threads": 2}}}},
            "student.pruning.budget: threads: no effect on size, drop it",
        ),
        (
            {"student": {"pruning": {"budget": {**INT8, "runtime": "onnx"}}}},
            "student.pruning.budget: quantize: int8 needs runtime: litert",
        ),
        (
            {"export": {"litert": False, "int8": False, "onnx": False}},
            "export: at least one of litert, int8 and onnx must be true",
        ),
        (
            {"student": {"training": {"loss": {"cross_entropy": 0, "dice": 0}}}},
            "student.training.loss: at least one loss needs a weight above 0",
        ),
        (
            {"student": {"training": {"augmentation": {"scale_jitter": [2, 1]}}}},
            "student.training.augmentation: scale_jitter must be low <= high within "
            "0.25 to 4, got 2.0, 1.0",
        ),
        (
            {"data": {"unlabelled": ["more", "more"]}},
            "data.unlabelled: must be different folders; leave out what is repeated "
            "(got ['more', 'more'])",
        ),
        (
            {"teacher": {"training": {"loss": {"class_weights": [True, 1.0]}}}},
            "teacher.training.loss.class_weights: must be balanced, or numbers >= 0, "
            "one per class and not all 0 (got [True, 1.0])",
        ),
        (
            {"teacher": {"training": {"patience": True}}},
            "teacher.training.patience: true and false have no meaning here (got True)",
        ),
        (
            {"teacher": {"training": {"learning_rate": float("inf")}}},
            "teacher.training.learning_rate: Input should be a finite number (got inf)",
        ),
        (
            {"teacher": {"training": {"optimizer": "sgd"}}},
            "teacher.training.optimizer: Extra inputs are not permitted (got 'sgd')",
        ),
    ],
)
def test_faults_and_options_without_effect(data, fault):
    assert faults_of(data) == f"mine.yaml: 1 fault.\n  {fault}"


@pytest.mark.parametrize(
    "weights",
    ["even", [], [0, 0], [1, -1], [1, float("nan")], [1, "a"], {"road": 2}, 3],
)
def test_faulty_class_weights(weights):
    data = {"teacher": {"training": {"loss": {"class_weights": weights}}}}
    assert "teacher.training.loss.class_weights: must be balanced, or numbers >= 0" in (
        faults_of(data)
    )
    assert "mine.yaml: 1 fault." in faults_of(data)


@pytest.mark.parametrize("weights", [None, "balanced", [1, 0.5]])
def test_class_weights(weights):
    settings = TrainingSettings.model_validate({"loss": {"class_weights": weights}})
    found = settings.loss.class_weights
    assert found == (tuple(weights) if isinstance(weights, list) else weights)


FRACTIONS = st.floats(0.001, 0.999)
TRAINING = st.fixed_dictionaries(
    {},
    optional={
        "epochs": st.integers(1, 500),
        "tiles_per_epoch": st.none() | st.integers(1, 10**6),
        "learning_rate": st.floats(1e-12, 10),
        "weight_decay": st.floats(0, 1),
        "warmup": st.floats(0, 0.99),
        "patience": st.none() | st.integers(1, 100),
        "loss": st.fixed_dictionaries(
            {"cross_entropy": FRACTIONS},
            optional={
                "dice": st.floats(0, 5),
                "class_weights": st.sampled_from([None, "balanced", [1, 0.1, 0]]),
            },
        ),
        "augmentation": st.fixed_dictionaries(
            {"flips": st.booleans(), "scale_jitter": st.just([0.5, 2])}
        ),
    },
)
TEACHERS = st.fixed_dictionaries({"training": TRAINING}) | st.fixed_dictionaries(
    {"file": st.text().map(lambda name: f"{name}t.keras")}
)
STUDENTS = st.fixed_dictionaries(
    {"pruning": st.fixed_dictionaries({"keep": FRACTIONS}), "training": TRAINING}
) | st.fixed_dictionaries(
    {
        "kind": st.just("compact"),
        "model": st.fixed_dictionaries({"width": st.sampled_from([8, 64])}),
        "distillation": st.fixed_dictionaries(
            {
                "losses": st.fixed_dictionaries({"pixel_kl": st.floats(0.1, 9)}),
                "temperature": st.floats(0.1, 20),
            }
        ),
    }
)
SOURCES = st.fixed_dictionaries(
    {"source": st.text(min_size=1).filter(lambda name: name != "synthetic")},
    optional={"split": st.none() | st.text(min_size=1)},
) | st.fixed_dictionaries({"scenes": st.none() | st.integers(3, 99)})
RECIPES = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers(0, 2**31),
        "data": SOURCES,
        "teacher": TEACHERS,
        "student": STUDENTS,
        "baselines": st.booleans(),
    },
)


@pytest.mark.parametrize(
    ("file", "files"),
    [
        ("t.onnx", ("t.onnx",)),
        (["a.keras", "b.xml", "masks"], ("a.keras", "b.xml", "masks")),
        (["t.keras"], ("t.keras",)),
    ],
)
def test_a_compact_student_has_any_teachers(file, files):
    recipe = parse_recipe({"teacher": {"file": file}, "student": {"kind": "compact"}})
    assert recipe.teacher.files == files
    assert recipe.teacher.is_one_keras_file == (files == ("t.keras",))
    assert parse_recipe(yaml.safe_load(recipe_yaml(recipe))) == recipe


@pytest.mark.parametrize("file", ["t.onnx", "masks", ["a.keras", "b.keras"]])
def test_a_pruned_student_has_one_keras_teacher(file):
    fault = "teacher.file: a pruned student is made of the layers of one Keras model"
    assert fault in faults_of({"teacher": {"file": file}})


@pytest.mark.parametrize("file", [[], [""], ["a.onnx", "a.onnx"]])
def test_teachers_are_different_files(file):
    data = {"teacher": {"file": file}, "student": {"kind": "compact"}}
    assert "teacher.file: must be different files; leave out" in faults_of(data)


@given(data=RECIPES)
def test_the_complete_recipe_is_the_same_recipe(data):
    recipe = parse_recipe(data)
    text = recipe_yaml(recipe)
    again = parse_recipe(yaml.safe_load(text))
    assert again == recipe
    assert recipe_yaml(again) == text


def test_the_complete_recipe_holds_every_field_in_use():
    data = yaml.safe_load(recipe_yaml(Recipe()))
    assert list(data) == list(Recipe.model_fields)
    assert set(data["teacher"]["training"]) == set(TrainingSettings.model_fields)
    assert "model" not in data["student"]
    compact = parse_recipe({"student": {"kind": "compact"}, "teacher": {"file": "t"}})
    data = yaml.safe_load(recipe_yaml(compact))
    assert "pruning" not in data["student"]
    assert set(data["teacher"]) == {"file", "head", "input_range"}


def test_a_students_defaults_are_its_own():
    """Also where a recipe sets another field of the section."""
    default = Recipe().student.training
    some = parse_recipe({"student": {"training": {"patience": 3}}}).student.training
    assert some == default.model_copy(update={"patience": 3})
    assert default.learning_rate > Recipe().teacher.training.learning_rate


def test_numbers_as_yaml_1_1_misreads_them(tmp_path):
    # YAML 1.1 takes 1e-3, without a point, for a string.
    path = tmp_path / "recipe.yaml"
    path.write_text("teacher: {training: {learning_rate: 1e-3}}")
    assert load_recipe(path).teacher.training.learning_rate == 0.001


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"- seed\n", ": a recipe is a mapping of sections, got list."),
        (b"seed\n", ": a recipe is a mapping of sections, got str."),
        (b"0\n", ": a recipe is a mapping of sections, got int."),
        (b"[]\n", ": a recipe is a mapping of sections, got list."),
        (b"a: [1", ": not YAML. "),
        (b"\xff\xfe\x00", ": cannot be read ("),
        (b"a: !!python/object/apply:os.getcwd []\n", ": not YAML. "),
    ],
)
def test_files_that_are_not_recipes(tmp_path, content, fault):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    with pytest.raises(RecipeError) as caught:
        read_recipe_data(path)
    assert str(caught.value).startswith(f"{path}{fault}")


def test_no_file(tmp_path):
    path = tmp_path / "none.yaml"
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(
        f"{path}: no such file. Name a recipe in YAML, or one that comes with "
        "segshrink: aerial, "
    )
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path)


def test_faults_name_the_file(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(
        textwrap.dedent("""\
        teacher:
          training: {epoch: 3}
        """)
    )
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert str(caught.value) == (
        f"{path}: 1 fault.\n"
        "  teacher.training.epoch: Extra inputs are not permitted (got 3). "
        "Did you mean teacher.training.epochs?"
    )


def test_a_recipe_of_another_kind_than_a_mapping():
    assert faults_of([1]) == "mine.yaml: a recipe is a mapping of sections, got list."


def test_a_compact_model_can_be_trained_as_a_teacher_is():
    teacher = {"model": {"name": "compact", "width": 16, "stem_stride": 4}}
    model = parse_recipe({"teacher": teacher}).teacher.model
    assert (model.name, model.width, model.stem_stride) == ("compact", 16, 4)
    faults = faults_of({"teacher": {"model": {"name": "fcn"}}})
    assert "unet, efficientnet_lite or compact" in faults


def test_logits_coarser_than_the_stem_are_a_fault():
    student = {"kind": "compact", "model": {"stem_stride": 4, "logits_stride": 2}}
    assert parse_recipe({"student": student}).student.model.logits_stride == 2
    student["model"] |= {"stem_stride": 2, "logits_stride": 4}
    faults = faults_of({"student": student})
    assert "logits_stride: 4 is coarser than stem_stride: 2" in faults


def test_a_budget_of_bytes_is_no_share():
    def budget(target):
        pruning = {"budget": {"kind": "size", "target": target}}
        return {"student": {"kind": "pruned", "pruning": pruning}}

    assert parse_recipe(budget(200_000)).student.pruning.budget.target == 200_000
    assert "0.25 is no number of bytes above 1" in faults_of(budget(0.25))


def test_a_compact_model_may_be_deeper():
    def blocks(value):
        return {"student": {"kind": "compact", "model": {"blocks": value}}}

    assert parse_recipe(blocks([1, 2, 4, 3])).student.model.blocks == (1, 2, 4, 3)
    assert "blocks" in faults_of(blocks([1, 2, 3]))
    assert "blocks.1" in faults_of(blocks([1, 0, 3, 3]))


def test_unlabelled_images_are_in_one_folder_or_in_several():
    def folders(value):
        return parse_recipe({"data": {"unlabelled": value}}).data.unlabelled

    assert Recipe().data.unlabelled == ()
    assert folders("more") == ("more",)
    assert folders(["more", "synthetic:3"]) == ("more", "synthetic:3")
