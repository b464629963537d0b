"""Runs beside each other by the draws that they kept: any metric of any evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from medvl.errors import DataError, nearest
from medvl.evaluate.bootstrap import IntervalRule, Replicated
from medvl.evaluate.compare import Comparison, compared, too_few
from medvl.evaluate.families import of_family
from medvl.runs.draws import KeptDraws, read_draws
from medvl.runs.folder import find_stage
from medvl.runs.subject import Subject


def metrics_shared(runs: Mapping[str, Sequence[KeptDraws]]) -> list[str]:
    """The metrics that every run drew, in the order of the first."""
    first, *others = ([name for draws in kept for name in draws.points] for kept in runs.values())
    return [name for name in dict.fromkeys(first) if all(name in names for names in others)]


def metrics_asked(
    runs: Mapping[str, Sequence[KeptDraws]], asked: str, others: Sequence[str] = ()
) -> tuple[tuple[str, ...], dict[str, KeptDraws]]:
    """The metrics that a name means, itself and its parts (`dice`, `dice/Lung`) or else its family (`bleu_1`, ...).

    Args:
        runs: what each run drew.
        asked: a metric, or the beginning of several up to `_`, `/` or `@`.
        others: names that are understood without draws, for the message.

    Returns:
        Those of the first evaluator of each run that has the first of them, and that evaluator's draws.

    Raises:
        DataError: not every run has such a metric.
    """
    shared = metrics_shared(runs)
    found = [name for name in shared if name == asked or name.startswith(f"{asked}/")]
    if asked not in found:
        found = [name for name in shared if of_family(name, asked)]
    if not found:
        known = [name for name in shared if "/" not in name]
        raise DataError(
            f"unknown metric '{asked}'.{nearest(asked, [*others, *shared])} all these runs kept draws of: "
            f"{', '.join(known) or 'none'}. a common beginning, such as 'bleu' of bleu_1 and bleu_4, asks for several"
        )
    held = {name: next(draws for draws in kept if found[0] in draws.points) for name, kept in runs.items()}
    return tuple(name for name in found if all(name in draws.points for draws in held.values())), held


def compare_draws(
    a: KeptDraws, b: KeptDraws, metrics: Sequence[str], *, confidence: float = 0.95, rule: IntervalRule = "linear"
) -> Comparison:
    """Metrics of `a` minus those of `b`, on the draws that both made alike.

    Args:
        a, b: of the same cases.
        metrics: that both have.
        confidence, rule: of the intervals (`medvl.evaluate.bootstrap.percentile_interval`).

    Raises:
        DataError: they differ in what they drew, or in what their metrics mean.
    """
    if apart := a.apart(b):
        raise DataError(
            f"{metrics[0]} of these runs cannot be compared: their draws differ in {apart}. evaluate both on the same "
            "cases of the same data, with equal parameters of the evaluator"
        )

    def replicated(kept: KeptDraws) -> Replicated:
        points = np.array([kept.points[name] for name in metrics])
        return Replicated(points, np.array([kept.values[name] for name in metrics], np.float64))

    found = compared(replicated(a), replicated(b), tuple(metrics), confidence, rule)
    family = sum("/" in name for name in metrics)
    return Comparison(found, int(a.drawn["units"]), too_few(int(a.drawn["replicates"]), family))


def read_kept(run: Path, split: str) -> list[KeptDraws]:
    """What a run's evaluators drew of a split.

    Raises:
        DataError: it has no finished stage that was evaluated, drew nothing of that split, or a file is damaged.
    """
    folder = find_stage(run)
    every = read_draws(folder)
    found = [draws for draws in every if draws.split == split]
    if not found:
        there = sorted({draws.split for draws in every})
        raise DataError(
            f"'{folder}' kept no draws of split '{split}'.{nearest(split, there)} it has draws of: "
            f"{', '.join(there) or 'none'}. an evaluator draws where its replicates are above 0"
        )
    return found


def subject_of(asked: str, metrics: Sequence[str], draws: KeptDraws) -> Subject:
    """What tables and pictures call these metrics."""
    return Subject(asked, asked.replace("_", " "), all(name in draws.falling for name in metrics), "metric")
