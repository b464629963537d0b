import threading
from contextlib import closing

import pytest

from medvl.data.prefetch import prefetch


def feeding_threads():
    return [thread for thread in threading.enumerate() if thread.name == "medvl-prefetch"]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert feeding_threads() == []


@pytest.mark.parametrize("depth", [1, 3, 100])
def test_items_come_in_order_and_the_thread_ends(depth):
    assert list(prefetch(iter(range(50)), depth)) == list(range(50))


def test_items_are_computed_in_another_thread():
    items = prefetch((threading.current_thread().name for _ in range(2)), 1)
    assert list(items) == ["medvl-prefetch"] * 2


def test_it_runs_ahead_and_not_further_than_depth():
    computed = []
    third = threading.Event()

    def source():
        for item in range(100):
            computed.append(item)
            if item == 3:
                third.set()
            yield item

    with closing(prefetch(source(), depth=2)) as items:
        assert next(items) == 0
        assert third.wait(10), "items 1 and 2 wait in the queue, 3 is computed"
    assert computed == [0, 1, 2, 3], "one is taken, two wait, one is in the thread's hand"


def test_an_error_surfaces_after_the_items_before_it():
    def source():
        yield 1
        raise OSError("shard 3 is truncated")

    items = prefetch(source(), 2)
    assert next(items) == 1
    with pytest.raises(OSError, match="shard 3 is truncated") as caught:
        next(items)
    assert any(entry.name == "source" for entry in caught.traceback), "the traceback leads to where it happened"


@pytest.mark.parametrize("taken", [1, 7])
def test_closing_ends_a_thread_that_waits_for_room(taken):
    items = prefetch(iter(range(10**9)), 2)
    for _ in range(taken):
        next(items)
    assert len(feeding_threads()) == 1
    items.close()
    assert feeding_threads() == []


def test_an_iterator_that_is_dropped_ends_its_thread():
    items = prefetch(iter(range(10**9)), 2)
    next(items)
    del items
    assert feeding_threads() == []


def test_no_thread_starts_before_the_first_item_is_asked_for():
    items = prefetch(iter(range(3)), 2)
    assert feeding_threads() == []
    items.close()
