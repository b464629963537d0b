"""From what a report says of a finding (1, 0, -1 uncertain, blank) to what a model is taught (1, 0, or nothing)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import LABEL_PREFIX
from medvl.errors import DataError, unknown

Policy = Literal["none", "positive_vs_rest", "ones", "zeros", "ignore"]
Blank = Literal["zero", "ignore"]

POLICIES: tuple[str, ...] = get_args(Policy)
BLANKS: tuple[str, ...] = get_args(Blank)

# policy -> what an uncertain mention becomes
_UNCERTAIN = {"positive_vs_rest": 0.0, "zeros": 0.0, "ones": 1.0, "ignore": np.nan}
_BLANK_CODE = 2  # stands for null beside -1, 0, 1


def label_matrix(table: pa.Table, names: Sequence[str], policy: Policy, blank: Blank = "zero") -> np.ndarray:
    """Targets of every row.

    The policies are those of Irvin et al. 2019 (CheXpert), section 3.1: `ones` and `zeros` map uncertain mentions to 1
    and 0, `ignore` leaves them out of the loss. `positive_vs_rest` is 1 for positive mentions and 0 for all else.

    Args:
        table: a study table.
        names: labels, in the order of the columns.
        policy: see above; `none` gives no columns.
        blank: a finding that is not mentioned is negative (`zero`, as in the paper) or left out (`ignore`).

    Returns:
        (N, K) float32: 1, 0, or NaN where a label is to be left out.

    Raises:
        DataError: the table lacks one of `names`.
    """
    if policy == "none":
        return np.empty((table.num_rows, 0), np.float32)
    unmentioned = np.nan if blank == "ignore" else 0.0
    becomes = np.array([_UNCERTAIN[policy], 0.0, 1.0, unmentioned], np.float32)  # of -1, 0, 1, null
    matrix = np.empty((table.num_rows, len(names)), np.float32)
    for place, name in enumerate(names):
        codes = np.asarray(pc.fill_null(label_column(table, name), _BLANK_CODE))
        matrix[:, place] = becomes[codes + 1]
    return matrix


def label_column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A label's column: int8, null where not mentioned.

    Raises:
        DataError: there is none; says which is nearest.
    """
    if LABEL_PREFIX + name not in table.column_names:
        known = [c.removeprefix(LABEL_PREFIX) for c in table.column_names if c.startswith(LABEL_PREFIX)]
        raise DataError(unknown("label", name, known))
    return table.column(LABEL_PREFIX + name)
