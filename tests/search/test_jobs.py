"""Jobs of trials: what is probed before training, and where the logits lie."""

import pytest

from segshrink.recipe import load_recipe, parse_recipe
from segshrink.records.trial import Job
from segshrink.search.jobs import is_probed, write_job

from .pretended import small_search

STEPS = {"student": {"pruning": {"steps": 2}}}


@pytest.mark.parametrize(
    ("recipe", "search", "expected"),
    [
        ({}, {}, False),
        ({}, {"limits": {"latency_ms": 3}}, True),
        ({}, {"limits": {"size_bytes": 3}}, True),
        ({}, {"objective": "front", "scheduler": None}, True),
        # The size after several steps is known after their training only.
        (STEPS, {"limits": {"size_bytes": 3}}, False),
    ],
)
def test_a_file_is_probed_if_it_could_be_over_a_limit(recipe, search, expected):
    settings = small_search(**search).search
    assert is_probed(parse_recipe(recipe), settings) == expected


def test_the_files_of_a_job(tmp_path):
    search_recipe = small_search()
    (tmp_path / "error.json").write_text("{}")
    teacher = tmp_path / "teacher" / "model.keras"
    recipe, settings = search_recipe.recipe, search_recipe.search
    write_job(tmp_path, recipe, settings, teacher=teacher, cores=[1, 2])
    assert load_recipe(tmp_path / "recipe.yaml") == recipe
    assert Job.read(tmp_path / "job.json") == Job(
        of="student",
        teacher=str(teacher),
        logits=str(tmp_path / "teacher" / "logits"),
        probe=False,
        cores=(1, 2),
    )
    assert not (tmp_path / "error.json").exists()
