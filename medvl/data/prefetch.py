"""Running an iterator ahead in a background thread."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from queue import Empty, Queue
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class _End:
    """The last thing in the queue: the source ran out, or raised."""

    error: BaseException | None = None


def prefetch(source: Iterator[Item], depth: int) -> Generator[Item, None, None]:
    """The items of `source`, computed up to `depth` ahead in one thread.

    The thread starts with the first item asked for. It ends, and is waited for, when the source runs out, when it
    raises (the same exception is raised here), and when this generator is closed or collected.
    """
    queue: Queue[Item | _End] = Queue(max(1, depth))
    stop = threading.Event()
    thread = threading.Thread(target=_fill, args=(source, queue, stop), name="medvl-prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(item := queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        _drain(queue)  # a thread that waits for room puts its item, sees `stop`, and ends
        thread.join()


def _fill(source: Iterator[Item], queue: Queue[Item | _End], stop: threading.Event) -> None:
    try:
        for item in source:
            if stop.is_set():
                return
            queue.put(item)
            if stop.is_set():
                return
    except BaseException as error:  # whatever it is, it belongs to the one who waits for the item
        queue.put(_End(error))
    else:
        queue.put(_End())


def _drain(queue: Queue[Item | _End]) -> None:
    try:
        while True:
            queue.get_nowait()
    except Empty:
        return
