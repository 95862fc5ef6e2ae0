"""The ends of each dimension make valid recipes, and so does all that is drawn."""

import optuna
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from segshrink.errors import RecipeError
from segshrink.search.sampling import propose
from segshrink.search.space import (
    default_space,
    is_active,
    own_values,
    parse_search_recipe,
    with_values,
)

KIND = {"choice": ["pruned", "compact"]}
LOSSES = "student.distillation.losses"
ADD_WHEN = (
    "Draw other values, change the recipe, or add `when` to the fields that do not "
    "apply with this value"
)


def faults_of(space: dict, of: str = "student", **recipe) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        parse_search_recipe(recipe | {"search": {"of": of, "space": space}})
    _, *lines = str(caught.value).splitlines()
    return [line.removeprefix("  search.space.") for line in lines]


def test_a_field_of_one_kind_drawn_with_both():
    space = {
        "student.pruning.keep": {"float": [0.1, 0.6]},
        "student.pruning.criterion": {"choice": ["l1", "l2"]},
        "student.training.learning_rate": {"float": [1e-3, 1e-2]},
        "student.kind": KIND,
    }
    assert faults_of(space) == [
        "student.kind: compact does not make a valid recipe (student: a compact "
        f"student does not use pruning: drop it). {ADD_WHEN}"
    ]
    for place in ("student.pruning.keep", "student.pruning.criterion"):
        space[place]["when"] = {"student.kind": "pruned"}
    parse_search_recipe({"search": {"space": space}})


@pytest.mark.parametrize("kind", ["pruned", "compact"])
def test_a_field_without_its_condition_whatever_the_recipe_says(kind):
    space = {"student.kind": KIND, "student.model.width": {"int": [8, 16], "step": 8}}
    [line] = faults_of(space, student={"kind": kind})
    assert "(student: a pruned student does not use model: drop it)" in line
    assert line.endswith(ADD_WHEN)


def test_a_field_that_only_some_choices_use():
    space = {
        LOSSES: {"choice": [{"pixel_kl": 1}, {"dist": 1}, {"pixel_kl": 1, "dist": 1}]},
        "student.distillation.temperature": {"float": [1, 4]},
    }
    [line] = faults_of(space)
    assert line == (
        f"{LOSSES}: {{dist: 1}} does not make a valid recipe (student.distillation: "
        "temperature: no effect without pixel_kl in losses, drop it). " + ADD_WHEN
    )
    when = {LOSSES: [{"pixel_kl": 1}, {"pixel_kl": 1, "dist": 1}]}
    space["student.distillation.temperature"]["when"] = when
    parse_search_recipe({"search": {"space": space}})


@pytest.mark.parametrize(
    ("space", "student", "line"),
    [
        (
            {"student.training.learning_rate": {"float": [0, 1e-2]}},
            {},
            "student.training.learning_rate: 0.0 does not make a valid recipe "
            "(student.training.learning_rate: Input should be greater than 0 (got "
            "0.0)). Draw other values, or change the recipe",
        ),
        (
            # Both ends are multiples of 8; it is the step that is missing.
            {"student.model.width": {"int": [8, 64]}},
            {"kind": "compact"},
            "(student.model.width: Input should be a multiple of 8 (got 9",
        ),
        (
            {"student.model.stem_stride": {"int": [2, 4]}},
            {"kind": "compact"},
            "student.model.stem_stride: 3 does not make a valid recipe",
        ),
        (
            {"student.pruning.criterion": {"choice": ["l1", "l3"]}},
            {},
            "student.pruning.criterion: l3 does not make a valid recipe",
        ),
        (
            {"student.pruning.keep": {"float": [0.1, 0.5]}},
            {"pruning": {"budget": {"kind": "macs", "target": 0.5}}},
            "(student.pruning: give keep or budget, not both)",
        ),
        (
            {"student.pruning.keep": {"float": [0.1, 0.5]}},
            {"kind": "compact"},
            "(student: a compact student does not use pruning: drop it)",
        ),
        (
            {"student.pruning.budget.target": {"float": [0.1, 0.5]}},
            {},
            "(student.pruning.budget.kind: Field required)",
        ),
        (
            {LOSSES: {"choice": [{"dist": 1}, {"dst": 1}]}},
            {},
            "student.distillation.losses: {dst: 1} does not make a valid recipe",
        ),
        (
            {f"{LOSSES}.dist": {"float": [0, 1]}},
            {},
            "weights must be above 0",
        ),
    ],
)
def test_values_that_do_not_make_a_recipe(space, student, line):
    [found] = faults_of(space, student=student)
    assert line in found


def test_each_fault_once_and_all_of_them():
    space = {
        "student.training.learning_rate": {"float": [0, 1e-2]},
        "student.training.epochs": {"int": [0, 3]},
        "student.training.warmup": {"float": [0, 1]},
        "student.pruning.scope": {"choice": ["layer", "layers", "all", "global"]},
    }
    places = [line.partition(":")[0] for line in faults_of(space)]
    assert places == list(space)


def test_families_of_teachers():
    space = {
        "teacher.model.name": {"choice": ["unet", "efficientnet_lite"]},
        "teacher.model.base_filters": {
            "int": [8, 32],
            "log": True,
            "when": {"teacher.model.name": "unet"},
        },
        "teacher.model.variant": {
            "int": [0, 2],
            "when": {"teacher.model.name": "efficientnet_lite"},
        },
        "teacher.model.dropout": {"float": [0, 0.5]},
    }
    search = {"of": "teacher", "space": space}
    parse_search_recipe({"search": search, "teacher": {"model": {"levels": 3}}})
    del space["teacher.model.variant"]["when"]
    [line] = faults_of(space, of="teacher")
    assert line.startswith("teacher.model.variant: ")
    assert line.endswith(ADD_WHEN)


RECIPES = [
    {},
    {"student": {"pruning": {"budget": {"kind": "macs", "target": 0.4}}}},
    {"student": {"pruning": {"recovery": "none", "tiles": 8, "criterion": "taylor"}}},
    {"student": {"distillation": {"losses": {"pixel_kl": 1, "dist": 1}}}},
    {"student": {"distillation": {"losses": {"dist": 1}}}},
    {"student": {"kind": "compact"}},
    {"student": {"kind": "compact", "distillation": {"losses": {"pixel_kl": 1}}}},
    {"teacher": {"file": "t.keras"}},
    {"teacher": {"model": {"norm": None}}},
    {"teacher": {"model": {"name": "efficientnet_lite"}}},
    {"teacher": {"training": {"loss": {"cross_entropy": 0}}}},
]


@pytest.mark.parametrize("of", ["student", "teacher"])
@pytest.mark.parametrize("objective", ["miou", "front"])
@pytest.mark.parametrize("data", RECIPES)
def test_default_spaces_are_valid(data, objective, of):
    if of == "teacher" and ("file" in data.get("teacher", {}) or objective == "front"):
        pytest.skip("refused")
    search = {"of": of, "objective": objective}
    found = parse_search_recipe(data | {"search": search})
    assert found.space == default_space(found.recipe, of)


def places(data, of="student") -> set[str]:
    space = parse_search_recipe(data | {"search": {"of": of}}).space
    return {place.removeprefix(f"{of}.") for place in space}


def test_fields_of_default_spaces():
    shared = {"training.learning_rate", "distillation.supervised"}
    pruning = {"pruning.scope", "pruning.criterion"}
    weight = {"distillation.losses.channel_wise"}
    assert places(RECIPES[0]) == shared | pruning | weight | {"pruning.keep"}
    assert places(RECIPES[1]) == shared | pruning | weight
    assert places(RECIPES[2]) == shared | weight | {"pruning.scope", "pruning.keep"}
    temperature = {"distillation.temperature"}
    assert places(RECIPES[3]) == shared | pruning | temperature | {"pruning.keep"}
    assert places(RECIPES[4]) == shared | pruning | {"pruning.keep"}
    shape = {"model.width", "model.stem_stride"}
    assert places(RECIPES[5]) == shared | weight | shape
    assert places(RECIPES[6]) == shared | temperature | shape
    training = {"learning_rate", "batch_size", "weight_decay", "loss.dice"}
    training = {f"training.{name}" for name in training}
    assert places({}, "teacher") == training
    assert places(RECIPES[10], "teacher") == training - {"training.loss.dice"}


@pytest.mark.parametrize("data", [RECIPES[0], RECIPES[1], RECIPES[3], RECIPES[5]])
def test_the_default_recipe_is_in_the_default_space(data):
    found = parse_search_recipe(data)
    values = own_values(found.recipe, found.space)
    assert set(values) == set(found.space)


# Dimensions that are valid wherever their conditions hold.
PRUNED, SMALL = {"student.kind": "pruned"}, {"student.kind": "compact"}
POOL = {
    "student.kind": KIND,
    "student.training.learning_rate": {"float": [1e-4, 1e-1], "log": True},
    "student.training.batch_size": {"int": [1, 32], "log": True},
    "student.training.loss": {"choice": [{"dice": 0.5}, {"focal": 1, "dice": 0}]},
    "student.training.patience": {"choice": [None, 2, 4]},
    "student.training.weight_decay": {"int": [0, 1]},
    "student.pruning.criterion": {"choice": ["l1", "taylor"], "when": PRUNED},
    "student.pruning.keep": {"float": [0.1, 0.9], "when": PRUNED},
    "student.pruning.tiles": {
        "int": [8, 32],
        "step": 8,
        "when": {"student.pruning.criterion": "taylor"},
    },
    "student.pruning.steps": {"int": [2, 4], "when": PRUNED},
    "student.pruning.step_epochs": {
        "int": [1, 3],
        "when": {"student.pruning.steps": [2, 3, 4]},
    },
    "student.model.width": {"int": [8, 64], "step": 8, "when": SMALL},
    "student.model.stem_stride": {"choice": [2, 4], "when": SMALL},
    LOSSES: {"choice": [{"pixel_kl": 1}, {"dist": 1}, {"feature_hint": 2}]},
    "student.distillation.temperature": {
        "float": [1, 6],
        "when": {LOSSES: [{"pixel_kl": 1}]},
    },
    "student.distillation.layers": {
        "choice": [["encoder"], ["bottleneck", "decoder"]],
        "when": {LOSSES: {"feature_hint": 2}},
    },
    "export.calibration_tiles": {"int": [1, 64]},
}
STUDENTS = [{}, {"kind": "compact"}, {"pruning": {"keep": 0.5}}]


@settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data())
def test_every_draw_of_a_valid_space_is_a_valid_recipe(data):
    names = data.draw(st.lists(st.sampled_from(list(POOL)), min_size=1, unique=True))
    student = data.draw(st.sampled_from(STUDENTS))
    search = {"space": {name: POOL[name] for name in names}}
    try:
        found = parse_search_recipe({"student": student, "search": search})
    except RecipeError:
        # One such space draws a width alone, for a student that is pruned.
        assume(False)
    sampler = optuna.samplers.RandomSampler(seed=data.draw(st.integers(0, 99)))
    study = optuna.create_study(sampler=sampler)
    for _ in range(20):
        values = propose(study.ask(), found)
        recipe = with_values(found.recipe, values)
        for place, value in values.items():
            dimension = found.space[place]
            assert dimension.holds(value)
            assert dimension.value(dimension.label(value)) == value
            assert is_active(dimension, values, found.recipe)
        inactive = set(found.space) - set(values)
        assert not any(
            is_active(found.space[place], values, found.recipe) for place in inactive
        )
        # What a trial runs begins from its own values.
        if own_values(recipe, found.space) is not None:
            assert own_values(recipe, found.space) == values
