"""How far long work is: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

if TYPE_CHECKING:
    from types import TracebackType

WINDOW = 60.0  # seconds that the rate is taken over: long enough to be steady, short enough to follow
PATIENCE = 2.0  # seconds after which work that is mostly short says that it is going on
REDRAW = 0.1  # seconds between updates of a bar


class Progress:
    """Shows how much is done, how fast, and how long it will still take, on stderr.

    with Progress("pretrain", total=500) as progress:
        for batch in batches:
            progress.advance(loss=0.52)

    Args:
        title: what is being done.
        total: how many units there are in all, or None where nobody knows.
        unit: what is counted, in the singular.
        start: units that were done before, by a run that is being resumed; the rate does not count them.
        every: seconds between lines where the stream is no terminal.
        patience: seconds in which nothing is shown; work that is done by then is not worth a line.
        stream: where to write; stderr by default.
        enabled: whether to write at all (one process of several does).
        clock: gives seconds.
    """

    _bar_open: ClassVar[bool] = False  # a terminal has room for one bar; work inside other work prints lines

    def __init__(
        self,
        title: str,
        total: int | None,
        unit: str = "step",
        start: int = 0,
        *,
        every: float = 15.0,
        patience: float = 0.0,
        stream: TextIO | None = None,
        enabled: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.title = title
        self.total = total
        self.unit = unit
        self.start = self.done = start
        self._every = every
        self._patience = patience
        self._stream = stream if stream is not None else sys.stderr
        self._enabled = enabled
        self._clock = clock
        self._fields: dict[str, float | str] = {}
        self._bar: Any = None

    def __enter__(self) -> Progress:
        self._began = self._shown = self._clock()
        self._history = deque([(self._began, self.done)])
        if self._patience == 0:
            self._open_on_terminal()
        return self

    def advance(self, n: int = 1, **fields: float | str) -> None:
        """Count `n` more units; `fields` (e.g. the loss) are shown until they change."""
        self.done += n
        self._fields |= fields
        now = self._clock()
        if now - self._began < self._patience:
            return
        if self._bar is None:
            self._open_on_terminal()
        if now - self._shown < (REDRAW if self._bar else self._every):
            return
        self._shown = now
        self._history.append((now, self.done))
        while len(self._history) > 2 and now - self._history[1][0] >= WINDOW:
            self._history.popleft()
        self._show()

    def reach(self, done: int, total: int) -> None:
        """So many of so many are done by now: a callback for work that counts by itself."""
        self.total = total
        self.advance(done - self.done)

    def resume(self, done: int) -> None:
        """So many were done before, as turns out only now; the rate does not count them."""
        self.start = self.done = done
        self._history = deque([(self._clock(), done)])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = self._clock() - self._began
        if self._bar is not None:
            self._show()
            self._bar.stop()
            Progress._bar_open = False
        if seconds < self._patience:
            return
        rate = _rate(self.done - self.start, seconds, self.unit)
        end = "stopped after" if error else "done:"
        count = f"{self._count()} {_plural(self.unit)}"
        self._print(" · ".join([f"{self.title}: {end} {count} in {spell_time(seconds)}", *([rate] if rate else [])]))

    def status(self) -> str:
        """`120/500 · 34.1 steps/s · 0:11 left · loss 0.512`."""
        (then, before), now = self._history[0], self._clock()
        parts = [self._count(), _rate(self.done - before, now - then, self.unit)]
        if self.total is not None and self.done > before:
            parts.append(f"{spell_time((self.total - self.done) * (now - then) / (self.done - before))} left")
        parts += [f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                  for name, value in self._fields.items()]  # fmt: skip
        return " · ".join(part for part in parts if part)

    def _count(self) -> str:
        return f"{self.done:,}" if self.total is None else f"{self.done:,}/{self.total:,}"

    def _show(self) -> None:
        if self._bar is not None:
            self._bar.update(0, completed=self.done, status=self.status())
        else:
            share = f"{self.done / self.total:.0%} · " if self.total else ""
            self._print(f"{self.title}: {share}{self.status()}")

    def _print(self, line: str) -> None:
        if self._enabled:
            print(line, file=self._stream, flush=True)

    def _open_on_terminal(self) -> None:
        terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        if self._enabled and terminal and not Progress._bar_open:
            self._bar = self._open_bar()

    def _open_bar(self) -> Any:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        title = TextColumn("{task.description}", markup=False)
        status = TextColumn("{task.fields[status]}", markup=False)
        # transient: the line that `__exit__` prints says the outcome
        bar = Bar(title, BarColumn(bar_width=30), status, console=Console(file=self._stream), transient=True)
        bar.add_task(self.title, total=self.total, completed=self.done, status=self._count())
        bar.start()
        Progress._bar_open = True
        return bar


def _rate(units: int, seconds: float, unit: str) -> str:
    """Units a second, or seconds a unit where that is easier to read."""
    if units <= 0 or seconds <= 0:
        return ""
    rate = units / seconds
    if rate >= 1:
        return f"{rate:,.0f} {_plural(unit)}/s" if rate >= 100 else f"{rate:.1f} {_plural(unit)}/s"
    return f"{1 / rate:.1f} s/{unit}"


def _plural(unit: str) -> str:
    """`steps`, `batches`, `studies`."""
    if unit.endswith("y"):
        return unit[:-1] + "ies"
    return unit + ("es" if unit.endswith(("s", "x", "ch", "sh")) else "s")


def spell_time(seconds: float) -> str:
    """`0:07`, `12:30`, `3:05:00`."""
    minutes, second = divmod(round(max(0.0, seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
