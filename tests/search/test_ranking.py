"""Pareto front of trials; what is best is tested with the driver and the timing."""

from segshrink.records.search import Trial
from segshrink.search.ranking import pareto_front


def trial(number, latency_ms, miou, **changes):
    known = {"state": "complete", "latency_ms": latency_ms, "miou": miou, **changes}
    return Trial(number=number, **known)


def test_the_pareto_front_is_what_no_trial_beats():
    trials = [
        trial(0, 3.0, 0.6),
        trial(1, 1.0, 0.4),
        # Slower and worse than trial 0, as fast and worse, as good and slower.
        trial(2, 4.0, 0.5),
        trial(3, 3.0, 0.5),
        trial(4, 5.0, 0.6),
        trial(5, 9.0, 0.9, is_feasible=False),
        trial(6, 9.0, 0.9, state="pruned"),
        trial(7, None, 0.9),
    ]
    assert pareto_front(trials) == [1, 0]
    assert pareto_front([]) == []


def test_of_equal_trials_the_first_is_on_the_front():
    assert pareto_front([trial(1, 1.0, 0.5), trial(0, 1.0, 0.5)]) == [0]
