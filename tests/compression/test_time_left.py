"""The time left of all stages of a run, with a clock of the test's own."""

import pytest

from segshrink.compression.time_left import TimeLeft, Work, roughly
from segshrink.progress import SilentProgress


class Heard(SilentProgress):
    def __init__(self):
        self.facts, self.started, self.finished = [], [], 0

    def start(self, label, total):
        self.started.append((label, total))

    def advance(self, steps=1, **facts):
        self.facts.append(facts)

    def finish(self):
        self.finished += 1


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def heard():
    return Heard()


def told(works, heard, clock):
    return TimeLeft(heard, [Work(*work) for work in works], clock)


def run(progress, clock, label, total, seconds, steps=1):
    """A piece of work whose steps take `seconds` each."""
    progress.start(label, total)
    for _ in range(0, total, steps):
        clock.now += seconds * steps
        progress.advance(steps, loss=1.0)
    progress.finish()


def lefts(heard):
    return [facts["left"] for facts in heard.facts]


def test_all_that_is_to_come_counts(heard, clock):
    progress = told([("teacher", 100), ("student", 300)], heard, clock)
    # Just as fast as estimated: 10 steps of 10 s, then 300 s.
    run(progress, clock, "teacher", 10, 10)
    expected = [390, 380, 370, 360, 350, 340, 330, 320, 310, 300]
    assert lefts(heard) == [roughly(seconds) for seconds in expected]
    assert heard.started == [("teacher", 10)]
    assert heard.finished == 1
    assert all(facts["loss"] == 1.0 for facts in heard.facts)


def test_what_the_stages_took_corrects_the_estimates(heard, clock):
    progress = told([("teacher", 100), ("student", 300)], heard, clock)
    # Half as fast as estimated, so the student is taken to need 600 s.
    run(progress, clock, "teacher", 10, 20)
    assert lefts(heard)[-1] == roughly(600)
    assert lefts(heard)[4] == roughly(100 + 600)
    # It is quick: its own speed counts for it.
    progress.start("student", 100)
    clock.now += 1
    progress.advance()
    clock.now += 9
    progress.advance(9)
    assert lefts(heard)[-1] == roughly(90)


def test_works_that_did_not_come_are_left_out(heard, clock):
    works = [("teacher's logits", 1000), ("student", 60), ("export", 60)]
    progress = told(works, heard, clock)
    run(progress, clock, "student", 60, 1)
    assert lefts(heard)[-1] == roughly(60)


def test_work_that_was_not_foreseen_leaves_the_others(heard, clock):
    progress = told([("export", 600)], heard, clock)
    run(progress, clock, "activations", 10, 1)
    assert lefts(heard)[-1] == roughly(600)
    run(progress, clock, "export", 2, 300)
    assert lefts(heard)[-1] == roughly(0)


def test_what_an_earlier_process_did_is_no_speed(heard, clock):
    progress = told([("teacher", 1000), ("student", 1000)], heard, clock)
    progress.start("teacher", 100)
    progress.advance(50)
    clock.now += 100
    progress.advance(10)
    # 10 steps in 100 s: 400 s for the others, and as slow as estimated.
    assert lefts(heard)[-1] == roughly(1400)
    clock.now += 400
    progress.advance(40)
    progress.finish()
    progress.start("student", 10)
    progress.advance()
    assert lefts(heard)[-1] == roughly(1000)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "about 10 s"),
        (44, "about 40 s"),
        (119, "about 120 s"),
        (121, "about 2 min"),
        (3500, "about 58 min"),
        (3600, "about 1 h"),
        (5500, "about 1 h 30 min"),
    ],
)
def test_estimates_are_no_finer_than_they_can_be(seconds, text):
    assert roughly(seconds) == text


def test_the_longest_label_that_fits_is_meant(heard, clock):
    # A given teacher is taken as it is, in no time, and never reported.
    works = [("teacher", 1), ("teacher's logits", 200), ("student", 300)]
    progress = told(works, heard, clock)
    run(progress, clock, "teacher's logits", 10, 20)
    assert lefts(heard)[-1] == roughly(300)
