"""From cases to batches on the device: a thread gathers whole uint8 batches ahead, the device augments them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from medvl.data.cases import CaseArrays, ImageReader, TokenArrays
from medvl.data.length_order import LengthOrder
from medvl.data.masks import MASKED
from medvl.data.order import EpochOrder
from medvl.data.prefetch import prefetch
from medvl.data.random import SampleRandom
from medvl.data.view import View
from medvl.errors import ConfigError

__all__ = ["Batch", "CaseArrays", "Feeder", "ImageReader", "TokenArrays"]

Batch = dict[str, Tensor]

_UPLOAD = 1024  # radiographs read at a time while the store moves to the device
_ORDERED = 4096  # positions of an epoch's order computed at a time, some milliseconds


@dataclass(frozen=True)
class _Packet:
    """What the thread prepares of a batch, all on the host.

    `images` are radiographs in ascending order of their rows, and `order` says which of them each case sees; or they
    are None, and `order` says where the cases' radiographs are on the device. `masks` are in the order of the cases.
    """

    host: dict[str, Tensor]
    moved: dict[str, Tensor]
    images: Tensor | None
    order: Tensor | None
    parameters: dict[str, dict[str, Tensor]]
    masks: Tensor | None


class Feeder:
    """Batches of cases, in an order and with pixels that depend on the seed alone.

    An optimiser step's cases are the same whatever `world` and `accumulate`: each process and micro-batch takes its
    fixed slice of them. A batch is a dict of

    - a float32 (B, 1, size, size) tensor per view, under the view's name, and others where `View.sizes` says so;
    - `text.ids` (B, T) int64 and `text.mask` (B, T) bool, where the cases have texts;
    - `labels` (B, K) float32, where they have labels;
    - `answers` (B,) int64, where they are questions;
    - `mask` (B, K, size, size) bool, where they have masks: as the view `image` shows them;
    - `image.pooled` (B, D) float32, where they have features;
    - `rows` and `positions` (B,) int64, which stay on the CPU: they are for book-keeping, and reading them back
      from a device would stall it.

    Args:
        cases: what to feed.
        views: name -> view; each gets its own random parameters, keyed by its name. Empty where no image is wanted.
        batch_size: cases of one optimiser step, over all processes and micro-batches together.
        device: where batches go.
        seed: of the order and of the views.
        rank, world: this process and the number of processes.
        accumulate: micro-batches of an optimiser step.
        depth: micro-batches that are gathered ahead.
        resident: upload all radiographs of the cases once and index them there; they must fit on the device.
        sort_window: batches among which training cases are sorted by the length of their text (`LengthOrder`); None
            leaves the order purely random.

    Raises:
        ConfigError: `batch_size` cannot be shared equally, views have no radiographs to look at, or cases without
            texts are to be sorted.
    """

    def __init__(
        self, cases: CaseArrays, views: dict[str, View], *, batch_size: int, device: torch.device | str, seed: int,
        rank: int = 0, world: int = 1, accumulate: int = 1, depth: int = 3, resident: bool = False,
        sort_window: int | None = None,
    ) -> None:  # fmt: skip
        parts = world * accumulate
        if batch_size < 1 or batch_size % parts:
            raise ConfigError(
                f"batch_size {batch_size} cannot be shared equally by {world} processes of {accumulate} micro-batches "
                f"each. do: choose a multiple of {parts}"
            )
        if views and cases.images is None:
            raise ConfigError(f"the views {', '.join(sorted(views))} want radiographs, and the data has none")
        if sort_window is not None and cases.tokens is None:
            raise ConfigError("sort_window sorts cases by the length of their text, and the data has none")
        self.cases = cases
        self.device = _with_index(torch.device(device))
        self.views = {name: view.to(self.device) for name, view in views.items()}
        self.batch_size = batch_size
        self.seed = seed
        self.rank, self.world, self.accumulate, self.depth = rank, world, accumulate, depth
        self.sort_window = sort_window
        self._resident = self._upload() if resident and views else None

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of an epoch: whole batches; one smaller batch where there are fewer cases than that."""
        return max(1, len(self.cases) // self.batch_size)

    def train(self, start_step: int = 0) -> Generator[list[Batch], None, None]:
        """Endless: the `accumulate` micro-batches of optimiser step `start_step`, of the next one, and so on.

        Raises:
            ConfigError: there are too few cases to give every process and micro-batch its share.
        """
        self._check_share()
        return self._steps(start_step)

    def once(self) -> Generator[Batch, None, None]:
        """Every case once, in order, through the views without randomness; the last batch may be short.

        Each process takes a contiguous share; `positions` say where its cases stand among all.
        """
        return self._batches(self._plan_once(), {name: view.fixed() for name, view in self.views.items()})

    def _check_share(self) -> None:
        cases, parts = len(self.cases), self.world * self.accumulate
        if cases >= self.batch_size or (cases >= parts and (self.world == 1 or cases % parts == 0)):
            return
        advice = f"choose batch_size {cases // parts * parts} or lower" if cases >= parts else "use fewer of them"
        raise ConfigError(
            f"{cases} training cases, fewer than batch_size {self.batch_size}, cannot be shared by {self.world} "
            f"processes of {self.accumulate} micro-batches each. do: {advice}"
        )

    def _steps(self, start_step: int) -> Generator[list[Batch], None, None]:
        with closing(self._batches(self._plan_train(start_step), self.views)) as batches:
            while True:
                yield list(islice(batches, self.accumulate))

    def _plan_train(self, start_step: int) -> Iterator[tuple[int, np.ndarray]]:
        """(epoch, positions) of this process's micro-batches, one after the other."""
        parts = self.world * self.accumulate
        for epoch, positions in self._ordered(start_step):
            for micro in range(self.accumulate):
                part, cases = micro * self.world + self.rank, len(positions)
                yield epoch, positions[part * cases // parts : (part + 1) * cases // parts]

    def _ordered(self, start_step: int) -> Iterator[tuple[int, np.ndarray]]:
        """(epoch, positions) of whole optimiser steps; computed for several at a time, which costs little more."""
        order = self._order()
        cases = min(self.batch_size, len(self.cases))
        step = start_step
        while True:
            epoch, within = divmod(step, self.steps_per_epoch)
            ahead = min(max(1, _ORDERED // cases), self.steps_per_epoch - within)
            for positions in order.at(epoch, np.arange(within * cases, (within + ahead) * cases)).reshape(ahead, cases):
                yield epoch, positions
            step += ahead

    def _order(self) -> EpochOrder | LengthOrder:
        order, rows, tokens = EpochOrder(len(self.cases), self.seed), self.cases.rows, self.cases.tokens
        if self.sort_window is None or tokens is None:
            return order
        batch = min(self.batch_size, len(self.cases))
        return LengthOrder(order, lambda cases: tokens.lengths(rows[cases]), batch=batch, window=self.sort_window)

    def _plan_once(self) -> Iterator[tuple[int, np.ndarray]]:
        first, last = (len(self.cases) * rank // self.world for rank in (self.rank, self.rank + 1))
        size = self.batch_size // (self.world * self.accumulate)
        for start in range(first, last, size):
            yield 0, np.arange(start, min(start + size, last))

    def _batches(self, plan: Iterator[tuple[int, np.ndarray]], views: dict[str, View]) -> Generator[Batch, None, None]:
        with closing(prefetch(self._packets(plan, views), self.depth)) as packets:
            for packet in packets:
                yield self._on_device(packet, views)

    def _packets(self, plan: Iterator[tuple[int, np.ndarray]], views: dict[str, View]) -> Iterator[_Packet]:
        """Runs in the thread. NumPy only: intra-op threads of torch would fight with those of the training step."""
        if self.device.type == "cuda":
            # the current device is a thread's own; without this, pinning would open a context on the first one
            torch.cuda.set_device(self.device)
        for epoch, positions in plan:
            rows = self.cases.rows[positions]
            images, order = self._gather(self.cases.shown(rows)) if views else (None, None)
            yield _Packet(
                host={"rows": torch.from_numpy(rows), "positions": torch.from_numpy(positions)},
                moved={name: self._pinned(array) for name, array in self._fields(rows).items()},
                images=images,
                order=order,
                parameters={name: self._draw(view, name, epoch, rows) for name, view in views.items()},
                masks=self._masks(rows) if MASKED in views else None,
            )

    def _fields(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        fields: dict[str, np.ndarray] = {}
        if self.cases.tokens is not None:
            fields["text.ids"], fields["text.mask"] = self.cases.tokens.batch(rows)
        if self.cases.labels is not None:
            fields["labels"] = self.cases.labels.read(rows)
        if self.cases.features is not None:
            fields["image.pooled"] = self.cases.features.read(self.cases.shown(rows))
        if self.cases.answers is not None:
            fields["answers"] = self.cases.answers[rows]
        return fields

    def _masks(self, rows: np.ndarray) -> Tensor | None:
        return None if self.cases.masks is None else self._pinned(self.cases.masks.read(self.cases.shown(rows)))

    def _draw(self, view: View, name: str, epoch: int, rows: np.ndarray) -> dict[str, Tensor]:
        drawn = view.draw(SampleRandom(self.seed, epoch, rows, stream=name))
        return {parameter: self._pinned(values) for parameter, values in drawn.items()}

    def _gather(self, rows: np.ndarray) -> tuple[Tensor | None, Tensor]:
        """`images` and `order` of a packet, of the rows by which radiographs are asked."""
        if self._resident is not None:
            return None, self._pinned(np.searchsorted(self._resident_rows, rows))
        # The disk is read in one direction, and each radiograph copied once: the device puts them in order.
        ascending, order = np.unique(rows, return_inverse=True)
        return self._read(ascending), self._pinned(order)

    def _pinned(self, array: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        return tensor.pin_memory() if self.device.type == "cuda" else tensor

    def _on_device(self, packet: _Packet, views: dict[str, View]) -> Batch:
        batch: Batch = packet.host | {name: self._moved(tensor) for name, tensor in packet.moved.items()}
        if packet.order is None:
            return batch
        held = self._resident if packet.images is None else self._moved(packet.images)
        assert held is not None  # radiographs that are not resident came with the packet
        images = held.index_select(0, self._moved(packet.order))
        with torch.no_grad():
            for name, view in views.items():
                parameters = {key: self._moved(values) for key, values in packet.parameters[name].items()}
                batch |= view.fields(name, images, parameters)
                if name == MASKED and packet.masks is not None:
                    batch["mask"] = view.masks(self._moved(packet.masks), parameters)
        return batch

    def _moved(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, non_blocking=True)

    def _upload(self) -> Tensor:
        """All radiographs of the cases on the device, (R, S, S) uint8, in the order of their row numbers."""
        self._resident_rows = np.unique(self.cases.shown(self.cases.rows))
        starts = range(0, len(self._resident_rows), _UPLOAD)
        return torch.cat([self._read(self._resident_rows[s : s + _UPLOAD]).to(self.device) for s in starts])

    def _read(self, rows: np.ndarray) -> Tensor:
        """Ascending rows -> (B, S, S) uint8, pinned where a copy to the device follows."""
        images = self.cases.images
        assert images is not None  # views without radiographs are refused at construction
        # a pinned block comes from torch's cache, which reuses it only when the copy to the device is done
        pinned = self.device.type == "cuda"
        read = torch.empty(len(rows), images.side, images.side, dtype=torch.uint8, pin_memory=pinned)
        images.read(rows, read.numpy())
        return read


def _with_index(device: torch.device) -> torch.device:
    """`cuda` -> `cuda:0`, whichever is current."""
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device
