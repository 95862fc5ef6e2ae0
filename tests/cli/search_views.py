"""Made-up states of a search, as input for what the terminal shows."""

from segshrink.search.watcher import SearchView, TrialView

RATE = "student.training.learning_rate"
WIDTH = "student.model.width"
BEST = TrialView(
    3,
    "complete",
    values={RATE: 0.003141, WIDTH: 24, "student.kind": "compact"},
    epoch=8,
    miou=0.6123,
    latency_ms=4.2,
    size_bytes=181_000,
    is_feasible=True,
)
RUNNING = TrialView(
    9,
    "running",
    "training",
    values={RATE: 0.0002, "student.kind": "pruned"},
    epoch=5,
    epochs=8,
    miou=0.553,
)
ENDED = (
    TrialView(0, "complete", "", {RATE: 0.001}, 8, 0, 0.5, 4.9, 190_500),
    BEST,
    TrialView(
        4,
        "skipped",
        values={WIDTH: 64},
        latency_ms=8.1,
        size_bytes=402_000,
        reason="latency 8.1 ms, more than 5; not trained",
    ),
    TrialView(5, "failed", reason="out of memory", epoch=1),
    TrialView(6, "pruned", "", {RATE: 0.009}, 2, 0, 0.21),
    TrialView(
        7, "complete", "", {WIDTH: 48}, 8, 0, 0.7, 6.0, 260_000, is_feasible=False
    ),
)


def view(running=(RUNNING,), ended=ENDED, **changed):
    facts = {
        "done": len(ended),
        "wanted": 20,
        "seconds": 751.0,
        "seconds_left": 6000.0,
        "best": BEST if BEST in ended else None,
        **changed,
    }
    return SearchView(running=running, ended=ended, **facts)


def many(count, state="complete"):
    return tuple(
        TrialView(number, state, "training", {RATE: 0.001}, 1, 8, number / 100)
        for number in range(count)
    )
