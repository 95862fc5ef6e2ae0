"""Which verbs take a recipe with a section `search`."""

import csv
import io
import json

import pytest

from e2e.command_line import refused, succeeded
from segshrink.search.space import load_search_recipe, search_recipe_yaml

TEXT = """\
seed: 3
search:
  trials: 4
  space:
    student.kind: {choice: [pruned, compact]}
    student.pruning.keep: {float: [0.1, 0.5], when: {student.kind: pruned}}
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_validate_prints_the_section_complete(recipe, tmp_path):
    printed = succeeded("validate", recipe)
    found = load_search_recipe(recipe)
    assert printed == search_recipe_yaml(found)
    (tmp_path / "printed.yaml").write_text(printed, encoding="utf-8")
    assert load_search_recipe(tmp_path / "printed.yaml") == found


def test_validate_gives_the_recipe_as_json_and_its_fields_as_csv(recipe):
    found = load_search_recipe(recipe)
    plain = json.loads(succeeded("validate", recipe, "--json", "-"))
    assert plain["seed"] == found.recipe.seed == 3
    assert plain["search"]["trials"] == 4
    assert plain["export"]["output"] == "logits"
    rows = csv.DictReader(io.StringIO(succeeded("validate", recipe, "--csv", "-")))
    fields = {row["field"]: row["value"] for row in rows}
    assert fields["search.space.student.kind.choice"] == '["pruned", "compact"]'
    assert fields["export.max_drop"] == "1.0"
    assert fields["teacher.file"] == ""


def test_validate_tries_out_the_space(recipe):
    recipe.write_text(TEXT.replace(", when: {student.kind: pruned}", ""))
    message = refused("validate", recipe)
    assert "student.kind: compact does not make a valid recipe" in message
    assert "add `when` to the fields that do not apply" in message


@pytest.mark.parametrize("verb", ["compress", "train"])
def test_other_verbs_do_not_take_it(verb, recipe, tmp_path):
    message = refused(verb, "synthetic", "--recipe", recipe, "--out", tmp_path)
    assert f"RecipeError: {recipe}: 1 fault." in message
    assert "only `segshrink search` uses this section: run it, or drop it" in message
