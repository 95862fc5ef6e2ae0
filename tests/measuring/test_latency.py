"""Latency of artifacts whose speed is known, on a clock that the test moves."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from segshrink.errors import UsageError
from segshrink.measuring import latency, measure_latency
from segshrink.measuring.latency import summary
from segshrink.runtimes.artifact import Signature
from segshrink.runtimes.outputs import OutputKind


@pytest.fixture
def clock(monkeypatch):
    """A machine of two files, `fast` of 2 ms and `slow` of 50 ms, on its own clock."""
    machine = SimpleNamespace(now=0.0, order=[], opened=[], output=OutputKind.LOGITS)

    def load(_, path, threads):
        seconds = {"fast": 0.002, "slow": 0.05}[path.stem]
        machine.opened.append((path.stem, threads))

        def predict(images):
            assert images.shape == (1, 4, 6, 3)
            assert file.signature.output is None
            machine.now += seconds
            machine.order.append(path.stem)

        file = SimpleNamespace(
            input_shape=(4, 6),
            num_bands=3,
            threads=threads,
            predict=predict,
            signature=Signature((4, 6), 3, 3, False, False, output=machine.output),
        )
        return file

    monkeypatch.setattr(latency.Opening, "load", load)
    monkeypatch.setattr(latency.time, "perf_counter", lambda: machine.now)
    return machine


FILES = ["fast.tflite", "slow.tflite"]


def test_latency_is_that_of_the_clock(clock):
    found = measure_latency(FILES, threads=2, rounds=5)
    assert list(found) == [Path("fast.tflite"), Path("slow.tflite")]
    for name, expected_ms in (("fast", 2.0), ("slow", 50.0)):
        record = found[Path(f"{name}.tflite")].as_plain()
        for key in ("median_ms", "p25_ms", "p75_ms", "min_ms"):
            assert record.pop(key) == pytest.approx(expected_ms)
        assert record == {"rounds": 5, "batch": 1, "threads": 2}
    assert clock.opened == [("fast", 2), ("slow", 2)]


def test_probabilities_are_not_made_logits_in_the_time_of_the_file(clock):
    clock.output = OutputKind.SOFTMAX
    found = measure_latency(FILES, rounds=3)
    assert found[Path("fast.tflite")].median_ms == pytest.approx(2.0)


def test_fast_files_are_repeated_until_a_sample_lasts(clock):
    measure_latency(["fast.tflite"], rounds=4, warmup=3)
    assert len(clock.order) == 3 + 4 * 15


def test_files_take_turns_in_an_order_that_changes(clock):
    measure_latency(FILES, rounds=12, warmup=1)
    turns = [name for name in clock.order[2:]]
    # Consecutive predictions of the fast file are one sample.
    samples = [
        name
        for position, name in enumerate(turns)
        if name == "slow" or position == 0 or turns[position - 1] == "slow"
    ]
    assert samples.count("slow") == 12
    rounds = {tuple(samples[i : i + 2]) for i in range(0, len(samples) - 1, 2)}
    assert len(rounds) > 1


def test_order_follows_the_seed(clock):
    orders = []
    for seed in (1, 1, 2):
        clock.order.clear()
        measure_latency(FILES, rounds=12, seed=seed)
        orders.append(list(clock.order))
    assert orders[0] == orders[1] != orders[2]


def test_summary_of_known_samples():
    assert summary([4.0, 1.0, 2.0, 3.0, 5.0], threads=4).as_plain() == {
        "rounds": 5,
        "batch": 1,
        "median_ms": 3.0,
        "p25_ms": 2.0,
        "p75_ms": 4.0,
        "min_ms": 1.0,
        "spread_doubtful": True,
        "threads": 4,
    }
    assert not summary([10.0, 11.0, 12.0], threads=1).spread_doubtful


@pytest.mark.parametrize(
    ("paths", "options", "message"),
    [
        ([], {}, "one or more different files, got none"),
        (["a", Path("a")], {}, "different files, got a, a"),
        (["a"], {"rounds": 2}, "at least 3 rounds and 1 warm-up are needed, got 2"),
        (["a"], {"warmup": 0}, "got 15 and 0"),
    ],
)
def test_wrong_arguments_are_refused(paths, options, message):
    with pytest.raises(UsageError, match=message):
        measure_latency(paths, **options)
