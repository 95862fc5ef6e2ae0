import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from segshrink.errors import DatasetError
from segshrink.training import read_ahead
from segshrink.training.read_ahead import ReadAhead, reader_count


class Counted:
    """Makes squares, and keeps which and in which threads."""

    def __init__(self, damaged=()):
        self.made = []
        self.threads = set()
        self.damaged = damaged

    def __call__(self, number):
        self.made.append(number)
        self.threads.add(threading.current_thread())
        if number in self.damaged:
            raise DatasetError(f"image {number} is damaged")
        return number**2


@pytest.fixture
def opened():
    """Makes a `ReadAhead` that is closed in the end."""
    each = []

    def make(*arguments):
        each.append(ReadAhead(*arguments))
        return each[-1]

    yield make
    for one in each:
        one.close()


def test_gives_what_is_made_for_each_number_in_order(opened):
    ahead = opened(Counted(), 3)
    assert [ahead.get(number) for number in range(50)] == [n**2 for n in range(50)]


def test_nothing_is_made_twice_and_little_ahead(opened):
    make = Counted()
    ahead = opened(make, 3)
    for number in (0, 0, 1, 2, 2, 3):
        ahead.get(number)
        assert max(make.made) <= number + 3 + 2
    ahead.close()
    assert len(make.made) == len(set(make.made))


def test_threads_make_at_the_same_time(opened):
    together = threading.Barrier(3, timeout=60)

    def wait(number):
        # It passes only when three threads are here at once.
        return together.wait() >= 0

    ahead = opened(wait, 3)
    assert ahead.get(0)
    # Three numbers more, so that none of six is left alone at the barrier.
    assert ahead.get(3)


def test_one_may_jump_back_and_forth(opened):
    ahead = opened(Counted(), 2)
    asked = (0, 1, 70, 71, 5, 6, 0)
    assert [ahead.get(number) for number in asked] == [n**2 for n in asked]


def test_an_error_comes_when_its_number_is_asked_for(opened):
    ahead = opened(Counted(damaged=(2,)), 3)
    assert [ahead.get(0), ahead.get(1)] == [0, 1]
    for _ in range(2):
        with pytest.raises(DatasetError, match="image 2 is damaged"):
            ahead.get(2)
    assert ahead.get(3) == 9


def test_closing_ends_the_threads_and_nothing_is_made_ahead_after_it():
    make = Counted()
    ahead = ReadAhead(make, 3)
    ahead.get(0)
    ahead.close()
    assert not any(thread.is_alive() for thread in make.threads)
    made = len(make.made)
    assert ahead.get(90) == 8100
    assert make.made[made:] == [90]
    ahead.close()


def test_closing_waits_for_what_is_being_made():
    begun, may_end = threading.Event(), threading.Event()

    def slow(number):
        begun.set()
        assert may_end.wait(60)
        return number

    ahead = ReadAhead(slow, 1)
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(ahead.get, 0)
        assert begun.wait(60)
        closing = pool.submit(ahead.close)
        may_end.set()
        assert asked.result(60) == 0
        closing.result(60)


@pytest.mark.parametrize(
    ("cores", "alone", "beside_an_accelerator"),
    [(1, 1, 1), (2, 1, 1), (4, 1, 3), (16, 2, 12), (64, 8, 12)],
)
def test_readers_leave_the_cores_that_the_step_needs(
    monkeypatch, cores, alone, beside_an_accelerator
):
    monkeypatch.setattr(read_ahead, "usable_cores", lambda: list(range(cores)))
    assert reader_count(accelerator=False) == alone
    assert reader_count(accelerator=True) == beside_an_accelerator
