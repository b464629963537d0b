"""A study's views as one case: what a patient is told is told of the study, not of one of its radiographs."""

from __future__ import annotations

import numpy as np

from medvl.errors import DataError
from medvl.evaluate.base import Cases


def by_study(cases: Cases) -> tuple[Cases, np.ndarray]:
    """Each study as one case: of every finding the largest logit of its views.

    So MoCo-CXR's released code (Sowrirajan et al., 2021) validates and tests. A finding is present where it is in any
    view and unknown where it is in all; labels mined from reports are the study's and equal in all of them.

    Args:
        cases: N radiographs, with `studies`, and `labels` and `logits`, both (N, K).

    Returns:
        The S studies, in the order of their first views and standing in their rows, and (S,) int64, the places of those
        views among the N.

    Raises:
        DataError: it is not known which radiographs belong together.
    """
    if cases.studies is None:
        raise DataError("cases cannot be judged by study: they do not say which study they are of. do: views: each")
    if not len(cases.rows):
        return cases, np.arange(0)
    order = np.argsort(cases.studies, kind="stable")
    starts = np.flatnonzero(np.diff(cases.studies[order], prepend=cases.studies[order[0]] - 1))
    first = order[starts]  # (S,)
    in_order = np.argsort(first)
    first = first[in_order]
    labels = np.fmax.reduceat(cases.fields["labels"][order], starts)[in_order]  # (S, K): NaN only where all are
    logits = np.maximum.reduceat(cases.outputs["logits"][order], starts)[in_order]  # (S, K): NaN where any is
    studies = Cases(
        cases.rows[first], cases.patients[first], {"labels": labels}, {"logits": logits}, cases.studies[first]
    )
    return studies, first
