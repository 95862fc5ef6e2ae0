"""Files are timed alone, and the best one twice."""

from collections import Counter

from segshrink import measuring
from segshrink.search import timing
from segshrink.search.driver import Driver
from segshrink.search.kept_trials import ended, values_of
from segshrink.search.ranking import best_of, confirmations, refuted
from segshrink.search.study import open_study

from .pretended import (
    WIDTH,
    PretendingWorkers,
    QuickDriver,
    Said,
    small_search,
    steady,
)


def test_a_file_is_timed_while_the_other_trials_are_paused(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(
        timing,
        "signal_all",
        lambda folders, what: said.append((what.name, [f.name for f in folders])),
    )

    def measured(paths, **options):
        said.append(("timed", [path.parent.name for path in paths]))
        return {path: steady(float(path.read_text())) for path in paths}

    monkeypatch.setattr(measuring, "measure_latency", measured)
    search_recipe = small_search(trials=4)
    study = open_study(search_recipe, tmp_path, None)
    workers = PretendingWorkers(count=2)
    Driver(search_recipe, study, tmp_path, workers, Said(), tmp_path / "t.keras").run()
    assert len(said) == 12
    for stop, timed, go in zip(said[::3], said[1::3], said[2::3], strict=True):
        assert (stop[0], timed[0], go[0]) == ("SIGSTOP", "timed", "SIGCONT")
        assert stop[1] == go[1] and timed[1][0] in stop[1]
    # Two at a time, but for the last.
    assert [len(stop[1]) for stop in said[::3]] == [2, 1, 2, 1]


def test_the_best_is_timed_again_and_gives_way_if_it_was_lucky(tmp_path):
    search_recipe = small_search(trials=12, limits={"latency_ms": 50})

    class Moody(QuickDriver):
        """Wide files are slower from the second time on."""

        timings = Counter()

        def time_alone(self, path):
            found = super().time_alone(path)
            self.timings[path.parent.name] += 1
            is_slower = self.timings[path.parent.name] > 1 and found.median_ms > 30
            return steady(found.median_ms + 15) if is_slower else found

    study = open_study(search_recipe, tmp_path, None)
    Moody(search_recipe, study, tmp_path, PretendingWorkers(), Said(), None).run()
    lucky = [t for t in ended(study) if values_of(t, search_recipe)[WIDTH] == 40]
    # 40 ms, then 55 and 55: within 50 by the mean of two and over it by the median.
    assert lucky and {t.user_attrs["latency_ms"] for t in lucky} == {47.5}
    assert refuted(study, search_recipe) == {t.number for t in lucky}
    best = best_of(study, search_recipe)
    # 32 ms, then 47 and 47.
    assert values_of(study.trials[best], search_recipe)[WIDTH] == 32
    assert confirmations(study)[best] == 47
    # Once is enough: nothing is timed when the same search is called again.
    count = sum(Moody.timings.values())
    Moody(search_recipe, study, tmp_path, PretendingWorkers(), Said(), None).run()
    assert sum(Moody.timings.values()) == count
