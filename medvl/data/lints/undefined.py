"""Lint: a label without positive or without negative cases in a split that is evaluated; its AUROC is undefined."""

from __future__ import annotations

from collections.abc import Sequence

from medvl.data.lints.finding import UNDEFINED_METRIC, Finding


def undefined_metrics(
    positives: Sequence[int], negatives: Sequence[int], labels: Sequence[str], split: str
) -> list[Finding]:
    """At most one finding a split: which labels cannot be measured there.

    Args:
        positives, negatives: K counts of the split's cases.
        labels: K names.
        split: which split it is, for the message.
    """
    lacking = []
    for kind, counts in (("positive", positives), ("negative", negatives)):
        none = [label for label, number in zip(labels, counts, strict=True) if number == 0]
        if none:
            lacking.append(f"no {kind} case of {', '.join(none)}")
    if not lacking:
        return []
    return [
        Finding(
            UNDEFINED_METRIC,
            "warning",
            f"{split} has {' and '.join(lacking)}: AUROC and F1 are undefined there and left out of the means",
            "name the labels that can be measured (labels: {names: [...]}), or evaluate on another split",
        )
    ]
