"""What a trial proposes depends on the recipe's seed and on its number alone."""

import optuna
import pytest

from segshrink.search.sampling import has_all_values, labels_of, next_trial, propose
from segshrink.search.space import parse_search_recipe
from segshrink.search.study import open_study

from .pretended import RATE, WIDTH, small_search

KIND, KEEP = "student.kind", "student.pruning.keep"


def proposals(search_recipe, out, count, value=lambda number: number % 3):
    study, found = open_study(search_recipe, out, None), []
    for _ in range(count):
        trial = next_trial(study, search_recipe)
        found.append(propose(trial, search_recipe))
        study.tell(trial, value(trial.number))
    return found


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_same_seed_proposes_the_same(tmp_path, sampler):
    search_recipe = small_search(trials=8, sampler=sampler)
    first = proposals(search_recipe, tmp_path / "first", 8)
    assert first == proposals(search_recipe, tmp_path / "second", 8)
    assert len({tuple(values.items()) for values in first}) > 4


def test_a_random_proposal_does_not_depend_on_results(tmp_path):
    search_recipe = small_search(trials=6, sampler="random")
    first = proposals(search_recipe, tmp_path / "first", 6)
    other = proposals(
        search_recipe, tmp_path / "other", 6, value=lambda number: -number
    )
    assert first == other


def test_a_trial_that_resumes_another_does_not_shift_the_seeds(tmp_path):
    search_recipe = small_search(trials=4, sampler="random")
    expected = proposals(search_recipe, tmp_path / "plain", 2)
    study = open_study(search_recipe, tmp_path / "resumed", None)
    trial = next_trial(study, search_recipe)
    values = propose(trial, search_recipe)
    labels = labels_of(values, search_recipe)
    study.enqueue_trial(labels, user_attrs={"continues": 0, "continues_trial": 0})
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    resumed = next_trial(study, search_recipe)
    assert propose(resumed, search_recipe) == values == expected[0]
    study.tell(resumed, 0.5)
    assert propose(next_trial(study, search_recipe), search_recipe) == expected[1]


def test_values_stay_within_their_dimensions(tmp_path):
    for values in proposals(small_search(trials=8), tmp_path, 8):
        assert 1e-4 <= values[RATE] <= 1e-1
        assert values[WIDTH] in range(8, 65, 8)


def conditional():
    return parse_search_recipe(
        {
            "seed": 3,
            "search": {
                "trials": 12,
                "scheduler": "none",
                "space": {
                    KIND: {"choice": ["pruned", "compact"]},
                    KEEP: {"float": [0.2, 0.8], "when": {KIND: "pruned"}},
                },
            },
        }
    )


def test_a_field_is_proposed_only_where_it_applies(tmp_path):
    kinds = set()
    for values in proposals(conditional(), tmp_path, 12):
        kinds.add(values[KIND])
        assert (KEEP in values) == (values[KIND] == "pruned")
    assert kinds == {"pruned", "compact"}


def test_a_trial_that_was_drawn_in_part_lacks_values():
    search_recipe = conditional()
    space = search_recipe.space
    labels = space[KIND].labels
    distribution = {
        KIND: optuna.distributions.CategoricalDistribution(labels),
        KEEP: optuna.distributions.FloatDistribution(0.2, 0.8),
    }

    def frozen(**params):
        return optuna.trial.create_trial(
            params=params,
            distributions={place: distribution[place] for place in params},
            value=0.0,
        )

    kind = {value: space[KIND].label(value) for value in ("pruned", "compact")}
    assert not has_all_values(frozen(), search_recipe)
    assert not has_all_values(frozen(**{KIND: kind["pruned"]}), search_recipe)
    assert has_all_values(frozen(**{KIND: kind["compact"]}), search_recipe)
    whole = frozen(**{KIND: kind["pruned"], KEEP: 0.5})
    assert has_all_values(whole, search_recipe)
