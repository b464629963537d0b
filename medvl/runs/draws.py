"""The bootstrap draws of a stage's metrics, kept beside its results: what paired differences are told from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from medvl.errors import DataError
from medvl.evaluate.base import Evaluator, Result
from medvl.evaluate.draws import Fact, digest
from medvl.files import write_atomic
from medvl.runs.folder import DRAWS


@dataclass(frozen=True)
class KeptDraws:
    """What one evaluator of a stage drew.

    Attributes:
        split: whose cases.
        points: metric -> its value on all cases, NaN where undefined.
        values: metric -> (R,) float32 replicates.
        falling: the metrics of which less is better.
        drawn: which units of which cases were drawn, how often, by which seed. Equal ones are the same draws.
        judged: what else must be equal for two values to mean the same (`medvl.evaluate.draws.Draws.judged`).
    """

    split: str
    points: dict[str, float]
    values: dict[str, np.ndarray]
    falling: frozenset[str]
    drawn: dict[str, Fact]
    judged: dict[str, Fact]

    @property
    def sample(self) -> str:
        """`1000 draws of 415 patients`."""
        return f"{self.drawn['replicates']} draws of {self.drawn['units']} {self.drawn['unit']}s"

    def drawn_apart(self, other: KeptDraws) -> str:
        """In what the draws of two differ; empty where they are the same draws of the same cases."""
        return _differing(self.drawn, other.drawn)

    def apart(self, other: KeptDraws) -> str:
        """In what two differ so that no difference of their metrics can be told; empty where it can.

        What only one of them says of its judging is about metrics that the other does not have.
        """
        return _differing(self.drawn | self.judged, other.drawn | other.judged)


def kept_draws(evaluator: Evaluator, result: Result, keys: Sequence[str]) -> KeptDraws | None:
    """What an evaluator drew; None where it drew nothing.

    Args:
        evaluator: says which metrics fall.
        result: of it.
        keys: (N,) what stands for the images of its cases (`medvl.runs.predictions.case_keys`).
    """
    draws = result.draws
    if draws is None:
        return None
    values = {name: each.astype(np.float32) for name, each in draws.values.items()}
    drawn: dict[str, Fact] = {
        "cases": len(draws.positions),
        "images": digest([keys[position] for position in draws.positions]),
        "unit": draws.unit,
        "units": int(draws.codes.max()) + 1,
        "grouping": digest(np.asarray(draws.codes, np.int64)),
        "replicates": len(next(iter(values.values()))),
        "seed": draws.seed,
    }
    falling = frozenset(name for name in values if evaluator.less_is_better(name))
    points = {name: result.metrics[name] for name in values}
    return KeptDraws(evaluator.split, points, values, falling, drawn, draws.judged)


def write_draws(path: Path, place: int, evaluator: Evaluator, result: Result, keys: Sequence[str]) -> None:
    """Write what an evaluator drew; nothing where it drew nothing.

    Args:
        path: the file to make or replace, atomically.
        place: of the evaluator among those of the stage.
        evaluator, result, keys: see `kept_draws`.
    """
    kept = kept_draws(evaluator, result, keys)
    if kept is None:
        return
    metrics = list(kept.values)
    about = {
        "place": place, "split": kept.split, "metrics": metrics,
        "falling": [name for name in metrics if name in kept.falling], "drawn": kept.drawn, "judged": kept.judged,
    }  # fmt: skip
    points, values = np.array(list(kept.points.values())), np.array(list(kept.values.values()))  # (M,), (M, R)
    write_atomic(
        path, lambda file: np.savez_compressed(file, about=np.array(json.dumps(about)), points=points, values=values)
    )


def read_draws(folder: Path) -> list[KeptDraws]:
    """What the evaluators of a stage drew, in their order; nothing of those that drew nothing.

    Raises:
        DataError: a file is damaged.
    """
    found: dict[int, KeptDraws] = {}
    for path in (folder / DRAWS).glob("*.npz"):
        try:
            with np.load(path) as file:
                about, points, values = json.loads(str(file["about"])), file["points"], file["values"]
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise DataError(
                f"draws '{path}' cannot be read: {error}. delete the stage's folder and run it again"
            ) from error
        metrics = about["metrics"]
        found[about["place"]] = KeptDraws(
            about["split"], dict(zip(metrics, points.tolist(), strict=True)), dict(zip(metrics, values, strict=True)),
            frozenset(about["falling"]), about["drawn"], about["judged"],
        )  # fmt: skip
    return [found[place] for place in sorted(found)]


def _differing(ours: dict[str, Fact], theirs: dict[str, Fact]) -> str:
    """`seed (0 and 1), replicates (1000 and 20)`, of the facts that both tell."""
    return ", ".join(
        f"{name} ({fact} and {theirs[name]})" for name, fact in ours.items() if name in theirs and fact != theirs[name]
    )
