"""The policy for images that cannot be read: a few are left out and named, more are an error."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medvl.data.shards import Bad
from medvl.errors import DataError
from medvl.files import write_text_atomic

SHOWN = 5


@dataclass(frozen=True)
class BadImages:
    """Judges unreadable images and lists them in a CSV: row, reference, reason.

    Attributes:
        images: number of images in all.
        max_bad: largest share of them that may be left out; 0 makes any an error.
        path: the CSV.
    """

    images: int
    max_bad: float
    path: Path

    def too_many(self, bad: Sequence[Bad]) -> bool:
        """Whether these are more than the policy lets pass."""
        return len(bad) > self.max_bad * self.images

    def check(self, bad: Sequence[Bad], problem: str, todo: str) -> None:
        """Raise once there are too many.

        Args:
            bad: those found so far.
            problem: what befell them, e.g. `image files are missing`.
            todo: what the user can do beside raising `max_bad`.

        Raises:
            DataError: names the first few, and the CSV, which by then holds them all.
        """
        if not self.too_many(bad):
            return
        self.write(bad)
        named = "\n".join(f"  row {row}: {reason}" for row, _, reason in bad[:SHOWN])
        raise DataError(
            f"{len(bad)} of {self.images} {problem}, more than max_bad={self.max_bad:g} lets pass:\n{named}\n"
            f"all that were found: {self.path}. do: {todo}, take the rows out of the table, or raise max_bad"
        )

    def write(self, bad: Sequence[Bad]) -> None:
        """Write the CSV, also when it lists none."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(["row", "reference", "reason"])
        writer.writerows(bad)
        write_text_atomic(self.path, text.getvalue())
