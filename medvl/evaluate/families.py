"""Which metrics belong together by their names."""

from __future__ import annotations


def of_family(metric: str, family: str) -> bool:
    """Whether a flat name is one of a family: `bleu_4` and `hit@5` of `bleu` and `hit`, `dice/Lung` of `dice`."""
    return metric == family or metric.startswith(tuple(family + mark for mark in "_/@"))
