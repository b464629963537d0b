"""The order of an epoch in which texts of like length share a batch, so that little of it is padding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from medvl.data.order import EpochOrder
from medvl.data.random import keys


class LengthOrder:
    """`EpochOrder`, rearranged within windows of some batches: sorted by length, cut into batches, batches shuffled.

    The cases of a window are a random sample as before, every case still comes once an epoch, and what an epoch drops
    at its end is as random. What changes is the company: cases of a batch have texts of like length. Objectives that
    compare the cases of a batch with each other (contrastive ones) had better not use it: negatives of like length are
    not what they are tested on. Any position of any epoch is computed on demand, at the cost of one window.

    Args:
        order: the order to rearrange.
        lengths: gives the lengths (n,) of cases (n,).
        batch: cases of an optimiser step, at most `order.count`.
        window: how many batches are sorted together; 50 leave about one token in twenty-five useless.
    """

    def __init__(
        self, order: EpochOrder, lengths: Callable[[np.ndarray], np.ndarray], *, batch: int, window: int
    ) -> None:
        self.order, self.lengths, self.batch = order, lengths, batch
        batches = order.count // batch
        windows = -(-batches // window)
        self._ends = np.arange(1, windows + 1) * batches // windows  # in batches; windows of equal size, to one
        self._last: tuple[tuple[int, int], np.ndarray] | None = None

    def at(self, epoch: int, positions: np.ndarray) -> np.ndarray:
        """Which cases stand at these positions of the epoch: (B,) -> (B,) int64. See `EpochOrder.at`."""
        positions = np.asarray(positions, np.int64)
        numbers = np.searchsorted(self._ends, positions // self.batch, side="right")
        cases = np.empty(len(positions), np.int64)
        for number in np.unique(numbers).tolist():
            here = numbers == number
            if number == len(self._ends):  # behind the last whole batch
                cases[here] = self.order.at(epoch, positions[here])
            else:
                cases[here] = self._window(epoch, number)[positions[here] - self._start(number)]
        return cases

    def _start(self, number: int) -> int:
        """The first position of a window."""
        return 0 if number == 0 else int(self._ends[number - 1]) * self.batch

    def _window(self, epoch: int, number: int) -> np.ndarray:
        """The cases of a window in their order; the last one asked for is kept, since steps follow each other."""
        if self._last is None or self._last[0] != (epoch, number):
            start, end = self._start(number), int(self._ends[number]) * self.batch
            cases = self.order.at(epoch, np.arange(start, end))
            ranked = cases[np.argsort(self.lengths(cases), kind="stable")].reshape(-1, self.batch)
            (seed,) = keys(1, "windows", self.order.seed, epoch, number)
            shuffled = EpochOrder(len(ranked), int(seed)).at(0, np.arange(len(ranked)))
            self._last = (epoch, number), ranked[shuffled].reshape(-1)
        return self._last[1]
