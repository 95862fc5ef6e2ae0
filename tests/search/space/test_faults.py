"""What is wrong with a space as it is written."""

import pytest

from segshrink.errors import RecipeError
from segshrink.recipe import LossSettings
from segshrink.search.space import parse_search_recipe

RATE = {"float": [1e-3, 1e-2]}
KIND = {"choice": ["pruned", "compact"]}
LOSSES = "student.distillation.losses"


def faults_of(space: dict, of: str = "student", **recipe) -> list[str]:
    """The lines of faults, less what they all begin with."""
    with pytest.raises(RecipeError) as caught:
        parse_search_recipe(recipe | {"search": {"of": of, "space": space}})
    _, *lines = str(caught.value).splitlines()
    assert all(line.startswith("  search.space.") for line in lines)
    return [line.removeprefix("  search.space.") for line in lines]


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        (
            "student.rate",
            "not a field of the recipe; student has kind, architecture, "
            "pruning, model, distillation, training",
        ),
        (
            "student.training.loss.dce.x",
            "not a field of the recipe; student.training.loss has "
            + ", ".join(LossSettings.model_fields),
        ),
        ("student.kind.pruned", "student.kind is a value and holds no fields"),
        ("stu", "not a field of the recipe; a recipe has seed, data, teacher, student"),
        ("", "not a field of the recipe; a recipe has seed, data"),
        (f"{LOSSES}.kl", f"{LOSSES} has pixel_kl, soft_dice, channel_wise, dist"),
        ("data.tile_px", "must be the same for all trials, so that they compare"),
        ("seed", "must be the same for all trials"),
        ("baselines", "the same for all trials"),
        ("measuring.threads", "the same for all trials"),
        (
            "teacher.training.epochs",
            "all students share one teacher, since each trial would otherwise train "
            "its own. Search the teacher first with of: teacher, and drop it here",
        ),
        ("student", "name fields of student, not all of it"),
    ],
)
def test_places_in_a_search_of_students(place, fault):
    [line] = faults_of({place: {"int": [32, 64], "step": 32}})
    assert line.startswith(f"{place}: ")
    assert fault in line


@pytest.mark.parametrize(
    "place", ["student.training.epochs", "teacher.file", "export.qat_epochs"]
)
def test_places_in_a_search_of_the_teacher(place):
    assert faults_of({place: {"choice": [1, 2]}}, of="teacher") == [
        f"{place}: a search of: teacher draws fields of teacher.training and "
        "teacher.model alone; drop it"
    ]


@pytest.mark.parametrize(
    ("place", "dimension", "fault"),
    [
        (
            "student.training.batch_size",
            {"float": [1, 32]},
            "takes whole numbers: write int: [1, 32]",
        ),
        (
            "student.model.stem_stride",
            {"float": [2, 4]},
            "takes whole numbers: write int: [2, 4]",
        ),
        (
            "student.kind",
            {"int": [0, 1]},
            "does not take numbers: write choice with a list of values, such as "
            "[pruned, compact]",
        ),
        (
            "student.training.augmentation.flips",
            {"int": [0, 1]},
            "does not take numbers: write choice with a list of values",
        ),
        (LOSSES, {"float": [0, 1]}, "does not take numbers"),
        ("student.pruning.budget", {"float": [0, 1]}, "does not take numbers"),
    ],
)
def test_types(place, dimension, fault):
    [line] = faults_of({place: dimension}, student={"kind": "compact"})
    assert line.startswith(f"{place}: {fault}")


@pytest.mark.parametrize(
    ("when", "fault"),
    [
        (
            {"student.knd": 1},
            "when: student.knd: not a field of the recipe; student has",
        ),
        (
            {"student.kind": "compat"},
            "when: student.kind is drawn from [pruned, compact], never compat",
        ),
        ({"student.kind": ["pruned", "x", True]}, "never x or true"),
        (
            {"student.training.batch_size": [1, 3]},
            "when: student.training.batch_size is drawn from [2, 4], never 1 or 3",
        ),
        (
            {"student.training.weight_decay": 0.5},
            "when: student.training.weight_decay is drawn from a range of float",
        ),
        (
            {"student.pruning.scope": "layers"},
            "when: student.pruning.scope is one of global, layer, null, never layers",
        ),
        ({"student.training.epochs": [3, 4.5]}, "epochs is never 4.5"),
        ({"student.training.epochs": "3"}, "student.training.epochs is never '3'"),
        ({"export.int8": 1}, "when: export.int8 is never 1"),
        (
            {f"{LOSSES}.dist": 1},
            f"when: {LOSSES}.dist: what is drawn is {LOSSES}, name that",
        ),
        (
            {"student.training": 1},
            "when: student.training: what is drawn is student.training.",
        ),
    ],
)
def test_conditions(when, fault):
    space = {
        "student.kind": KIND,
        "student.training.batch_size": {"int": [2, 4], "step": 2},
        "student.training.weight_decay": {"float": [0, 1]},
        LOSSES: {"choice": [{"dist": 1}, {"soft_dice": 1}]},
        "student.training.learning_rate": RATE | {"when": when},
    }
    lines = faults_of(space)
    assert lines[0].startswith(f"student.training.learning_rate: {fault}") or (
        fault in lines[0]
    )


def test_conditions_that_form_a_circle():
    a, b = "student.training.epochs", "student.training.batch_size"
    c = "student.training.patience"
    space = {
        a: {"choice": [1, 2], "when": {b: 1}},
        b: {"choice": [1, 2], "when": {c: 1}},
        c: {"choice": [1, 2], "when": {a: 1}},
        "student.training.validate_every": {"choice": [1, 2], "when": {a: 1}},
    }
    assert faults_of(space) == [
        f"{a}: the conditions form a circle, {a} -> {b} -> {c} -> {a}; drop one"
    ]
    assert faults_of({a: {"choice": [1, 2], "when": {a: 1}}}) == [
        f"{a}: the conditions form a circle, {a} -> {a}; drop one"
    ]


def test_conditions_that_contradict():
    space = {
        "student.kind": KIND,
        "student.pruning.criterion": {
            "choice": ["l1", "l2"],
            "when": {"student.kind": "pruned"},
        },
        "student.model.width": {
            "int": [8, 16],
            "step": 8,
            "when": {"student.kind": "compact", "student.pruning.criterion": "l1"},
        },
    }
    assert faults_of(space) == [
        "student.model.width: never drawn, since its conditions ask for different "
        "values of student.kind; change when"
    ]


def test_a_place_inside_another():
    losses = {"choice": [{"dist": 1}, {"pixel_kl": 1}]}
    weight = {"float": [0.1, 1.0]}
    inner = f"{LOSSES}.pixel_kl"
    fault = (
        f"{inner}: is inside {LOSSES}, which is drawn too; drop one, or give them "
        "`when` so that only one is drawn"
    )
    assert faults_of({LOSSES: losses, inner: weight}) == [fault]
    compact = {"when": {"student.kind": "compact"}}
    space = {"student.kind": KIND, LOSSES: losses | compact, inner: weight}
    assert faults_of(space) == [fault]
    space[inner] = weight | {"when": {"student.kind": "pruned"}}
    parse_search_recipe({"search": {"space": space}})


def test_a_name_that_only_begins_like_another():
    space = {
        "student.pruning.steps": {"choice": [2, 3]},
        "student.pruning.step_epochs": {"int": [1, 2]},
    }
    parse_search_recipe({"search": {"space": space}})


def test_nothing_to_draw():
    space = {"student.training.epochs": {"int": [1, 3], "when": {"seed": 7}}}
    with pytest.raises(RecipeError, match="nothing to draw under this recipe"):
        parse_search_recipe({"search": {"space": space}})
    parse_search_recipe({"seed": 7, "search": {"space": space}})
