"""A search that is killed resumes without loss, with trials that only pretend."""

import pytest
from optuna.trial import Trial, TrialState

from segshrink.search import driver as driver_module
from segshrink.search.kept_trials import ended
from segshrink.search.sampling import _suggested, next_trial
from segshrink.search.study import open_study

from .pretended import (
    RATE,
    WIDTH,
    PretendingWorkers,
    QuickDriver,
    Said,
    drive,
    outcomes,
    small_search,
)


def test_a_resumed_search_proposes_the_same(tmp_path):
    whole, _ = drive(small_search(), tmp_path / "whole")
    drive(small_search(trials=3), tmp_path / "parts")
    parts, _ = drive(small_search(), tmp_path / "parts")
    assert [t.params for t in parts.trials] == [t.params for t in whole.trials]
    assert len({str(t.params) for t in whole.trials}) == 6


class Stop(BaseException):
    """Stands for a kill, after which the driver reports nothing."""


@pytest.mark.parametrize("when", range(1, 12, 2))
def test_a_killed_driver_loses_no_trial_and_counts_none_twice(
    tmp_path, monkeypatch, when
):
    search_recipe = small_search(trials=4)
    workers = PretendingWorkers(count=2)
    study = open_study(search_recipe, tmp_path, None)
    left = when
    tell = study.tell

    def telling(*arguments, **options):
        nonlocal left
        left -= 2
        if left < 0:
            raise Stop
        return tell(*arguments, **options)

    def attributing(trial, name, value):
        nonlocal left
        if name == "outcome":
            left -= 1
            if left < 0:
                raise Stop
        return set_attribute(trial, name, value)

    set_attribute = Trial.set_user_attr
    monkeypatch.setattr(study, "tell", telling)
    monkeypatch.setattr(Trial, "set_user_attr", attributing)
    try:
        drive(search_recipe, tmp_path, workers, study=study)
    except Stop:
        pass
    monkeypatch.undo()
    monkeypatch.setattr(driver_module, "_LOOK_SECONDS", 0.0)
    before = {
        t.number: t.values for t in study.trials if t.state == TrialState.COMPLETE
    }
    again, _ = drive(search_recipe, tmp_path, PretendingWorkers(count=2))
    after = {t.number: t.values for t in ended(again)}
    assert before.items() <= after.items()
    assert len(after) == 4
    # As many as search_recipe for, with the values of a search that nothing stopped.
    whole, _ = drive(search_recipe, tmp_path / "whole", PretendingWorkers(count=2))
    assert sorted(str(t.params) for t in ended(again)) == sorted(
        str(t.params) for t in ended(whole)
    )
    assert not [t for t in again.trials if t.state == TrialState.RUNNING]
    # A resumed trial works in the folder in which it began.
    assert len(list((tmp_path / "trials").iterdir())) == 4


@pytest.mark.parametrize("is_shared", [True, False])
def test_a_trial_of_another_living_driver_is_left_alone(tmp_path, is_shared):
    search_recipe = small_search(trials=2)
    study = open_study(search_recipe, tmp_path, None)
    study.ask().set_user_attr("driver", "elsewhere:/x")
    driver = QuickDriver(
        search_recipe,
        study,
        tmp_path,
        PretendingWorkers(),
        Said(),
        None,
        is_shared=is_shared,
    )
    driver.run()
    # In a study that is not shared there is no other one.
    assert outcomes(study) == ["complete"] * (1 if is_shared else 2)
    kept = TrialState.RUNNING if is_shared else TrialState.FAIL
    assert study.trials[0].state == kept


@pytest.mark.parametrize("values_drawn", [0, 1, 2])
def test_a_driver_killed_as_it_begins_a_trial_proposes_the_same_again(
    tmp_path, values_drawn
):
    search_recipe = small_search()
    whole, _ = drive(search_recipe, tmp_path / "whole")
    study = open_study(search_recipe, tmp_path / "killed", None)
    for number in (1, 3):
        drive(small_search(trials=number), tmp_path / "killed", study=study)
        trial = next_trial(study, search_recipe)
        for place, dimension in list(search_recipe.space.items())[:values_drawn]:
            _suggested(trial, place, dimension)
    again, _ = drive(search_recipe, tmp_path / "killed")
    assert [t.params for t in ended(again)] == [t.params for t in ended(whole)]
    assert len(ended(again)) == 6


def test_the_recipe_s_own_values_survive_a_kill_before_they_are_tried(tmp_path):
    search_recipe = small_search(trials=2)
    study = open_study(search_recipe, tmp_path, None)
    own = {RATE: 3e-3, WIDTH: 32}
    study.enqueue_trial(own, user_attrs={"is_default": True})
    study.ask()
    again, _ = drive(search_recipe, tmp_path)
    first = ended(again)[0]
    assert first.params == own and first.user_attrs["is_default"]
    assert "is_default" not in ended(again)[1].user_attrs


def test_a_search_stopped_while_it_times_a_probe_times_it_again(tmp_path):
    search_recipe = small_search(trials=2, limits={"latency_ms": 100})

    class Stopping(QuickDriver):
        def time_alone(self, path):
            raise Stop

    study = open_study(search_recipe, tmp_path, None)
    with pytest.raises(Stop):
        Stopping(
            search_recipe, study, tmp_path, PretendingWorkers(), Said(), None
        ).run()
    assert (tmp_path / "trials" / "000" / "probe.json").is_file()
    again, _ = drive(search_recipe, tmp_path)
    assert outcomes(again) == ["complete"] * 2
    assert not list((tmp_path / "trials").glob("*/probe.tflite"))
