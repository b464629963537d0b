"""Lint: a label without positive or without negative cases in a split that is evaluated; its AUROC is undefined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medvl.data.lints.finding import UNDEFINED_METRIC, Finding


def undefined_metrics(values: np.ndarray, labels: Sequence[str], split: str) -> list[Finding]:
    """At most one finding a split: which labels cannot be measured there.

    Args:
        values: (n, K) float: 1, 0, NaN where unknown, of the split's cases.
        labels: K names.
        split: which split it is, for the message.
    """
    lacking = []
    for kind, target in (("positive", 1), ("negative", 0)):
        none = [label for label, found in zip(labels, (values == target).any(0), strict=True) if not found]
        if none:
            lacking.append(f"no {kind} case of {', '.join(none)}")
    if not lacking:
        return []
    return [
        Finding(
            UNDEFINED_METRIC,
            "warning",
            f"{split} ({len(values):,} cases) has {' and '.join(lacking)}: AUROC and F1 are undefined there and left "
            "out of the means",
            "name the labels that can be measured (labels: {names: [...]}), or evaluate on another split",
        )
    ]
