"""Who may open a study, with trials that only pretend."""

import pytest

from segshrink.errors import RunFolderError
from segshrink.recipe import recipe_yaml
from segshrink.records import exclusive_folder, write_text
from segshrink.search import search
from segshrink.search.kept_trials import ended
from segshrink.search.study import JOURNAL, open_study

from .pretended import (
    RATE,
    drive,
    small_search,
)


def test_another_search_in_the_folder_is_refused(tmp_path):
    drive(small_search(trials=1), tmp_path)
    with pytest.raises(RunFolderError, match="holds another search; space differ"):
        drive(small_search(space={RATE: {"float": [1e-4, 1e-2]}}), tmp_path)
    with pytest.raises(RunFolderError, match="2 objective"):
        open_study(small_search(), _front_folder(tmp_path), None)


def test_a_torn_last_line_of_the_journal_loses_nothing_before_it(tmp_path):
    search_recipe = small_search(trials=2)
    drive(search_recipe, tmp_path)
    journal = tmp_path / JOURNAL
    whole = journal.read_bytes()
    numbers = [
        trial.number for trial in ended(open_study(search_recipe, tmp_path, None))
    ]
    journal.write_bytes(whole + whole.splitlines(keepends=True)[-1][:-15])
    for _ in range(2):
        study = open_study(search_recipe, tmp_path, None)
        assert [trial.number for trial in ended(study)] == numbers
        study.set_user_attr("seen", True)


def test_a_damaged_journal_is_named(tmp_path):
    drive(small_search(trials=1), tmp_path)
    lines = (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)
    lines[3] = lines[3][:20] + b"\n"
    (tmp_path / JOURNAL).write_bytes(b"".join(lines))
    with pytest.raises(RunFolderError, match="study.log: is damaged"):
        open_study(small_search(trials=1), tmp_path, None)


def _front_folder(tmp_path):
    drive(small_search(objective="front", scheduler=None, trials=1), tmp_path / "front")
    return tmp_path / "front"


def test_a_second_search_in_a_folder_learns_how_to_join_the_first(tmp_path):
    search_recipe = small_search()
    write_text(tmp_path / "recipe.yaml", recipe_yaml(search_recipe.recipe))
    with exclusive_folder(tmp_path), pytest.raises(RunFolderError) as caught:
        search(search_recipe, tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: another process works in this folder. Wait until it ends, "
        "or join it from another folder with --storage."
    )
    assert not (tmp_path / "trials").exists()


def test_two_hosts_share_one_study_through_a_database(tmp_path):
    search_recipe = small_search(trials=8)
    url = f"sqlite:///{tmp_path / 'study.db'}"
    first = open_study(search_recipe, tmp_path / "a", url)
    drive(small_search(trials=3), tmp_path / "a", study=first)
    second = open_study(search_recipe, tmp_path / "b", url)
    study, _ = drive(search_recipe, tmp_path / "b", study=second)
    assert len(ended(study)) == 8
    assert len(list((tmp_path / "a" / "trials").iterdir())) == 3
    assert len(list((tmp_path / "b" / "trials").iterdir())) == 5
    drivers = {trial.user_attrs["driver"].rpartition("/")[2] for trial in ended(study)}
    assert drivers == {"a", "b"}
