"""How a table shows a metric."""

from __future__ import annotations

import numpy as np

from medvl.evaluate.base import Result


def cell(result: Result, name: str) -> str:
    """`0.812 (0.78-0.84)`, or a dash where undefined."""
    value = result.metrics[name]
    if np.isnan(value):
        return "–"
    low, high = result.intervals.get(name, (np.nan, np.nan))
    return f"{value:.3f}" if np.isnan(low) else f"{value:.3f} ({low:.2f}-{high:.2f})"
