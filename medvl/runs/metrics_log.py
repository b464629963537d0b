"""The log of a stage's metrics: a tidy CSV that survives a kill, and TensorBoard beside it."""

from __future__ import annotations

import csv
import importlib.util
import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from medvl.errors import DataError
from medvl.files import write_text_atomic

if TYPE_CHECKING:
    from types import TracebackType

COLUMNS = ("step", "epoch", "metric", "value")


class Record(NamedTuple):
    """One metric at one step; `epoch` may be a fraction, or NaN where a stage counts none."""

    step: int
    epoch: float
    metric: str
    value: float


class MetricsLog:
    """Appends to a CSV with columns step, epoch, metric, value; every call reaches the operating system.

    Args:
        path: the CSV; continued where it exists, a line that a kill cut short being dropped.
        tensorboard: folder for TensorBoard's event files; None for none. Where the package `tensorboard` is not
            installed, nothing is written there and `notes` says so.

    Attributes:
        notes: sentences for the manifest.
    """

    def __init__(self, path: str | Path, *, tensorboard: str | Path | None = None) -> None:
        self.path = Path(path)
        self.notes: list[str] = []
        self._board_folder = Path(tensorboard) if tensorboard is not None else None
        if self._board_folder and importlib.util.find_spec("tensorboard") is None:
            self._board_folder = None
            self.notes.append("no TensorBoard log: the package 'tensorboard' is not installed")
        self._board = self._open_board()
        self._mend()
        self._file = open(self.path, "a", encoding="utf-8", newline="")  # noqa: SIM115 - closed by `close`

    def write(self, step: int, values: Mapping[str, float], epoch: float = math.nan) -> None:
        """Append the metrics of one step.

        Args:
            step: optimiser steps done.
            values: by name, e.g. `train/loss`, `val/auroc_macro`, as Python numbers.
            epoch: epochs done.
        """
        self._file.write(_text(Record(step, epoch, name, float(value)) for name, value in values.items()))
        self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, float(value), step)
            self._board.flush()

    def truncate_after(self, step: int) -> None:
        """Forget what was written for later steps: a run that resumes from `step` writes it again."""
        self._file.close()
        kept = [record for record in read_metrics(self.path) if record.step <= step]
        write_text_atomic(self.path, _header() + _text(kept))
        self._file = open(self.path, "a", encoding="utf-8", newline="")  # noqa: SIM115
        if self._board is not None:
            self._board.close()
            self._board = self._open_board(purge_step=step + 1)

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _mend(self) -> None:
        """Give a new file its header; cut an old one at its last whole line."""
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if not whole or whole != text:
            write_text_atomic(self.path, whole or _header())

    def _open_board(self, purge_step: int | None = None) -> Any:
        if self._board_folder is None:
            return None
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(self._board_folder), purge_step=purge_step)


def read_metrics(path: str | Path) -> list[Record]:
    """All whole lines of a metrics log, in the order written.

    Raises:
        DataError: the file is missing, or a line is not step, epoch, metric, value; says which.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"metrics log '{path}' does not exist. give the metrics.csv of a stage")
    text = path.read_text(encoding="utf-8")
    rows = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1])))  # a last line without its end was cut short
    return [_record(row, f"{path}:{line}") for line, row in enumerate(rows[1:], start=2)]


def _record(row: list[str], place: str) -> Record:
    try:
        step, epoch, metric, value = row
        return Record(int(step), float(epoch), metric, float(value))
    except ValueError as error:
        raise DataError(f"{place}: {row} is not {', '.join(COLUMNS)}. delete that line, or the file") from error


def _header() -> str:
    return ",".join(COLUMNS) + "\n"


def _text(records: Iterator[Record] | list[Record]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(records)
    return buffer.getvalue()
