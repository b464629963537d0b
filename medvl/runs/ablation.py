"""A stage's metrics on its inputs as they are, and how they change without its text or image: one table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from medvl.errors import DataError, nearest
from medvl.evaluate.base import Result
from medvl.evaluate.cells import cell
from medvl.evaluate.compare import SIGNIFICANT, Compared, Comparison
from medvl.runs.draws import KeptDraws
from medvl.runs.kept_comparison import compare_draws
from medvl.runs.subject import Subject, decimals, spelled
from medvl.runs.tables import Table

INTACT = "intact"  # the inputs as they are
MARK = "*"  # beside a difference that is significant
HOW = (
    f"behind the colon: the difference to the intact inputs; {MARK} p < {SIGNIFICANT} (single findings: after Holm's "
    "correction)"
)


def metrics_of(draws: Sequence[KeptDraws], asked: str | None) -> list[str]:
    """The metrics to show: a metric and its parts (`auroc_macro`, or `auroc` with `auroc/Edema`), else all averages.

    Args:
        draws: of each evaluator.
        asked: a metric, or the beginning of several; None for those that are not of one finding.

    Raises:
        DataError: there is no such metric.
    """
    defined = [name for kept in draws for name, value in kept.points.items() if not math.isnan(value)]
    names = list(dict.fromkeys(defined))
    if asked is None:
        return [name for name in names if "/" not in name] or names
    found = [name for name in names if name == asked or name.startswith((f"{asked}/", f"{asked}_", f"{asked}@"))]
    if not found:
        raise DataError(f"unknown metric '{asked}'.{nearest(asked, names)} this stage drew: {', '.join(names)}")
    return found


def differences(
    intact: Sequence[KeptDraws], changed: Sequence[KeptDraws], metrics: Sequence[str]
) -> tuple[Comparison, list[str]]:
    """Each metric on changed inputs minus the same on the intact ones, in the same draws of the same cases.

    Args:
        intact, changed: of each evaluator, in one order.
        metrics: those to compare, as `metrics_of` gives them.

    Returns:
        The comparison, and why some evaluator could not be compared.
    """
    found: dict[str, Compared] = {}
    notes: list[str] = []
    units, left_out = 0, []
    for before, after in zip(intact, changed, strict=True):
        own = [name for name in metrics if name in before.points and name not in found]
        if not own:
            continue
        if apart := after.apart(before):
            left_out.append(f"{own[0]} and the like cannot be compared: their draws differ in {apart}")
            continue
        comparison = compare_draws(after, before, own)
        found |= comparison.metrics
        notes += comparison.notes
        units = max(units, comparison.units)
    return Comparison({name: found[name] for name in metrics if name in found}, units, notes), left_out


def ablation_table(
    results: Sequence[Result],
    comparisons: Mapping[str, Comparison],
    metrics: Sequence[str],
    notes: Sequence[str],
    *,
    title: str,
) -> Table:
    """A line a metric: its value with its interval, and for each change of the inputs its value and the difference.

    Args:
        results: of each evaluator on the intact inputs.
        comparisons: what was changed -> differences to the intact inputs.
        metrics: the lines.
        notes: to stand below.
        title: above.
    """
    columns = ["metric", INTACT, *comparisons]
    rows = []
    for name in metrics:
        result = next(each for each in results if name in each.metrics)
        told = [_cell(comparison.metrics.get(name), name) for comparison in comparisons.values()]
        rows.append([name, cell(result, name), *told])
    return Table(title, columns, rows, [HOW, *notes])


def subject_of(draws: Sequence[KeptDraws], metrics: Sequence[str]) -> Subject:
    """What the picture calls these metrics."""
    falling = frozenset[str]().union(*(kept.falling for kept in draws))
    return Subject("metric", "metric", all(name in falling for name in metrics), "metric")


def _cell(compared: Compared | None, name: str) -> str:
    if compared is None:
        return "–"
    p = compared.adjusted if "/" in name else compared.difference.p
    places = decimals(compared.b)
    mark = f" {MARK}" if p < SIGNIFICANT else ""
    return f"{compared.a:.{places}f}: {spelled(compared.difference, places)}{mark}"
