"""MedViLL's test of significance (Moon et al., 2022): a t-test between two models' bootstrap replicates."""

from __future__ import annotations

import math

import numpy as np

from medvl.evaluate.student import two_sided_p

REPLICATES = 30  # MedViLL's


def medvill_t_test(a: np.ndarray, b: np.ndarray) -> float:
    """Two-sided p of Student's two-sample t-test with pooled variance between bootstrap replicates of a metric.

    To be compared with the paper, not to decide anything: its p-value shrinks as replicates grow, since the t-test
    takes every replicate for a new patient, so that with enough of them any difference becomes "significant", while
    the number of test cases, which is what we know, stays the same. `paired_differences` does not have this fault.

    Args:
        a, b: (R,) replicates of the metric of two models, at least two each; MedViLL drew 30 (`REPLICATES`).

    Returns:
        In [0, 1]; NaN where a side has fewer than two replicates that are numbers.
    """
    a, b = a[~np.isnan(a)], b[~np.isnan(b)]
    if min(len(a), len(b)) < 2:
        return float("nan")
    difference, freedom = a.mean() - b.mean(), len(a) + len(b) - 2
    pooled = (a.var(ddof=1) * (len(a) - 1) + b.var(ddof=1) * (len(b) - 1)) / freedom
    error = math.sqrt(pooled * (1 / len(a) + 1 / len(b)))
    if not error:
        return float(difference == 0)
    return two_sided_p(difference / error, freedom)
