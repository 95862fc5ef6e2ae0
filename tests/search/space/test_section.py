"""The section as a whole: what is taken, printed and refused."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from segshrink.errors import RecipeError
from segshrink.recipe import Recipe, load_recipe, parse_recipe
from segshrink.search.space import (
    Limits,
    SearchRecipe,
    load_search_recipe,
    parse_search_recipe,
    search_recipe_yaml,
    with_values,
)

RATE = {"student.training.learning_rate": {"float": [1e-3, 1e-2], "log": True}}


def lines_of(data) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        parse_search_recipe(data, where="mine.yaml")
    return str(caught.value).splitlines()


@pytest.mark.parametrize("data", [{}, {"search": None}, {"search": {"limits": None}}])
def test_everything_has_a_default(data):
    found = parse_search_recipe(data)
    assert found.recipe == Recipe()
    search = found.search
    assert (search.of, search.trials, search.minutes) == ("student", 20, None)
    assert (search.objective, search.sampler) == ("miou", "tpe")
    assert search.scheduler == "hyperband"
    assert search.limits == Limits(latency_ms=None, size_bytes=None)
    assert "student.training.learning_rate" in found.space


def test_several_objectives_are_not_stopped_early():
    assert parse_search_recipe({"search": {"objective": "front"}}).search.scheduler == (
        "none"
    )


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (
            {"search": {"objective": "front", "scheduler": "hyperband"}},
            "  search.scheduler: trials with two objectives cannot be stopped early; "
            "drop it with objective: front (got 'hyperband')",
        ),
        (
            {"search": {"of": "teacher", "objective": "front"}},
            "  search.objective: front needs files of students, and this is a search "
            "of: teacher; use miou or val_loss (got 'front')",
        ),
        (
            {"search": {"of": "teacher", "limits": {"size_bytes": 9}}},
            "  search.limits: apply to files of students, and this is a search of: "
            "teacher; drop it (got {'size_bytes': 9})",
        ),
        (
            {"search": {"of": "teacher"}, "teacher": {"file": "t.keras"}},
            "  teacher.file: a search of: teacher trains teachers, not one "
            "from a file; drop it (got 't.keras')",
        ),
        (
            {"search": {"space": {}}},
            "  search.space: names no field; drop it for the default space",
        ),
        (
            {"search": 5},
            "  search: Input should be a valid dictionary or instance of "
            "SearchSettings (got 5)",
        ),
        (
            {"search": {"limits": {"latency_ms": 0}}},
            "  search.limits.latency_ms: Input should be greater than 0 (got 0)",
        ),
        (
            {"search": {"trials": True}},
            "  search.trials: true and false have no meaning here (got True)",
        ),
        (
            {"search": {"space": {"student.training.epochs": 3}}},
            "  search.space.student.training.epochs: must be a mapping such as {float: "
            "[0.1, 1.0]}, {int: [1, 8]} or {choice: [a, b]} (got 3)",
        ),
    ],
)
def test_faults_of_the_section(data, fault):
    assert lines_of(data) == ["mine.yaml: 1 fault.", fault]


def test_all_faults_at_once():
    data = {
        "seed": -1,
        "student": {"kind": "huge"},
        "search": {
            "of": "student",
            "trials": 0,
            "minuts": 3,
            "space": {
                "student.training.learning_rate": {"float": [2, 1]},
                "student.training.rate": {"choice": [1, 2]},
                "teacher.training.epochs": {"int": [1, 3]},
                "student.training.batch_size": {"float": [1, 3]},
                "student.model.width": {
                    "int": [8, 16],
                    "step": 8,
                    "when": {"student.knd": "compact"},
                },
            },
        },
    }
    places = [line.partition(":")[0].strip() for line in lines_of(data)[1:]]
    assert places == [
        "seed",
        "student.kind",
        "search.trials",
        "search.space.student.training.learning_rate",
        "search.minuts",
        "search.space.student.training.rate",
        "search.space.teacher.training.epochs",
        "search.space.student.training.batch_size",
        "search.space.student.model.width",
    ]
    assert lines_of(data)[0] == "mine.yaml: 9 faults."


def test_contradictions_are_listed_with_faults_of_the_space():
    rate = {"student.training.learning_rate": {"float": [2, 1]}}
    data = {
        "search": {"objective": "front", "scheduler": "hyperband", "space": rate},
    }
    places = [line.partition(":")[0] for line in lines_of(data)[1:]]
    assert places == [
        "  search.space.student.training.learning_rate",
        "  search.scheduler",
    ]
    data = {
        "teacher": {"file": "t.keras"},
        "search": {
            "of": "teacher",
            "objective": "front",
            "scheduler": "hyperband",
            "limits": {"latency_ms": 3},
            "space": RATE,
        },
    }
    assert len(lines_of(data)) == 6


@pytest.mark.parametrize("data", [[], "seed", None])
def test_a_recipe_of_another_kind_than_a_mapping(data):
    assert "mine.yaml: a recipe is a mapping of sections" in lines_of(data)[0]


def test_other_verbs_do_not_take_the_section(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("search: {trials: 3}\nseed: -1\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert str(caught.value).splitlines() == [
        f"{path}: 2 faults.",
        "  seed: Input should be greater than or equal to 0 (got -1)",
        "  search: only `segshrink search` uses this section: run it, or drop it",
    ]


def test_faults_name_the_file(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("search: {trials: 0}\n")
    with pytest.raises(RecipeError) as caught:
        load_search_recipe(path)
    assert str(caught.value).startswith(f"{path}: 1 fault.\n  search.trials: ")


@pytest.mark.parametrize("name", ["search", "search_classic"])
def test_bundled_recipes(name, pytestconfig):
    path = pytestconfig.rootpath / "recipes" / f"{name}.yaml"
    assert again(load_search_recipe(path)) == load_search_recipe(path)


def test_the_published_space(pytestconfig):
    """To the letter: batch size, learning rate and activation, 72 times."""
    path = pytestconfig.rootpath / "recipes" / "search_classic.yaml"
    found = load_search_recipe(path)
    assert (found.search.of, found.search.trials) == ("teacher", 72)
    assert found.search.scheduler == "hyperband"
    assert found.search.objective == "val_loss"
    assert {place: one.as_record() for place, one in found.space.items()} == {
        "teacher.training.batch_size": {"int": [1, 32]},
        "teacher.training.learning_rate": {"float": [1e-4, 1e-1], "log": True},
        "teacher.model.activation": {"choice": ["relu", "tanh", "swish", "linear"]},
    }
    model = found.recipe.teacher.model
    assert (model.base_filters, model.levels, model.norm) == (16, 4, None)


def again(found: SearchRecipe) -> SearchRecipe:
    text = search_recipe_yaml(found)
    read = parse_search_recipe(yaml.safe_load(text))
    assert search_recipe_yaml(read) == text
    return read


def test_the_printed_recipe_is_complete():
    data = yaml.safe_load(search_recipe_yaml(parse_search_recipe({})))
    assert list(data) == [*Recipe.model_fields, "search"]
    search = data["search"]
    assert search["limits"] == {"latency_ms": None, "size_bytes": None}
    assert search["scheduler"] == "hyperband"
    assert search["space"]["student.pruning.keep"] == {
        "float": [0.1, 0.6],
        "log": True,
    }


def test_a_printed_recipe_takes_the_same_values():
    """Though it says null of what the first did not give."""
    data = {
        "search": {
            "space": {
                "student.kind": {"choice": ["pruned", "compact"]},
                "student.pruning.budget": {
                    "choice": [
                        {"kind": "macs", "target": 0.3},
                        {"kind": "macs", "target": 0.5},
                    ],
                    "when": {"student.kind": "pruned"},
                },
                "student.distillation.losses.dist": {"float": [0.1, 1]},
            }
        }
    }
    first = parse_search_recipe(data)
    second = again(first)
    for values in (
        {"student.kind": "compact", "student.distillation.losses.dist": 0.5},
        {"student.pruning.budget": {"kind": "macs", "target": 0.5}},
    ):
        assert with_values(first.recipe, values) == with_values(second.recipe, values)


SECTIONS = st.fixed_dictionaries(
    {},
    optional={
        "trials": st.integers(1, 1000),
        "minutes": st.none() | st.floats(0.1, 1e4),
        "objective": st.sampled_from(["miou", "val_loss", "front"]),
        "limits": st.fixed_dictionaries(
            {},
            optional={
                "latency_ms": st.floats(1e-3, 1e3),
                "size_bytes": st.integers(1, 10**9),
            },
        ),
        "sampler": st.sampled_from(["tpe", "random"]),
        "space": st.just(RATE),
    },
)


@given(section=SECTIONS)
def test_the_printed_recipe_is_the_same_recipe(section):
    found = parse_search_recipe({"search": section})
    assert again(found) == found


def test_the_recipe_is_untouched_by_values():
    recipe = parse_recipe({"student": {"distillation": {"losses": {"dist": 1.0}}}})
    with_values(recipe, {"student.distillation.losses.pixel_kl": 2.0})
    assert recipe.student.distillation.losses == {"dist": 1.0}
