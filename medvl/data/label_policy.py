"""From what a report says of a finding (1, 0, -1 uncertain, blank) to what a model is taught (1, 0, -1, or nothing).

The policies for uncertain mentions are those of Irvin et al. 2019 (CheXpert), section 3.1. What the papers use:

| paper | policy | blank |
|---|---|---|
| MMBT (Dalla Serra 2022), MedViLL (Moon 2022) | `positive_vs_rest` | zero |
| SLIP on radiographs (Huang 2023), the linear probes of MoCo-CXR (Sowrirajan 2021) | `ones` | zero |
| MoCo-CXR, fine-tuning | `ignore` | zero |
| MRM (Zhou 2023), GLoRIA (Huang 2021) | `chexpert_five` | zero |
| U-MultiClass (Irvin 2019), an option of MoCo-CXR's released code | `multi_class` | zero |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.contract import UNCERTAIN
from medvl.data.dataset import LABEL_PREFIX
from medvl.errors import DataError, unknown

Policy = Literal["none", "positive_vs_rest", "ones", "zeros", "ignore", "multi_class", "chexpert_five"]
Blank = Literal["zero", "ignore"]

POLICIES: tuple[str, ...] = get_args(Policy)
BLANKS: tuple[str, ...] = get_args(Blank)

# policy -> what an uncertain mention becomes
_UNCERTAIN = {"positive_vs_rest": 0.0, "zeros": 0.0, "ones": 1.0, "ignore": np.nan, "multi_class": UNCERTAIN}
SIMPLE = tuple(_UNCERTAIN)  # the policies that treat every label alike

# policy -> its labels, in order, and the simple policy of each
MIXES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "chexpert_five": MappingProxyType(
            {
                "Atelectasis": "ones",
                "Cardiomegaly": "zeros",
                "Consolidation": "zeros",
                "Edema": "ones",
                "Pleural Effusion": "ones",
            }
        )
    }
)
_FIXED_BLANKS = ("positive_vs_rest", *MIXES)  # policies that say themselves that blanks are 0

_STATES = (-1, 0, 1, 2)  # a label's values; null is counted as 2
_BLANK_CODE = _STATES[-1]


def label_matrix(
    table: pa.Table, names: Sequence[str], policy: Policy | Mapping[str, Policy], blank: Blank = "zero"
) -> np.ndarray:
    """Targets of every row.

    Args:
        table: a study table.
        names: labels, in the order of the columns.
        policy: `ones` and `zeros` map uncertain mentions to 1 and 0, `ignore` leaves them out of the loss;
            `positive_vs_rest` is 1 for positive mentions and 0 for all else; `chexpert_five` is `ones` for Atelectasis,
            Edema and Pleural Effusion and `zeros` for Cardiomegaly and Consolidation, as in the released lists of MRM;
            `multi_class` keeps uncertain mentions apart, for a loss that teaches them as a class (`three_class`);
            `none` gives no columns. A mapping gives each label a policy of its own.
        blank: a finding that is not mentioned is negative (`zero`, as in the paper) or left out (`ignore`).

    Returns:
        (N, K) float32: 1, 0, -1 where uncertain is a class, or NaN where a label is to be left out.

    Raises:
        DataError: the table lacks one of `names`, or the policy says nothing of it.
    """
    if policy == "none":
        return np.empty((table.num_rows, 0), np.float32)
    matrix = np.empty((table.num_rows, len(names)), np.float32)
    for place, name in enumerate(names):
        matrix[:, place] = _targets(policy, name, blank)[_states(table, name)]
    return matrix


@dataclass(frozen=True)
class Prevalence:
    """How many cases a policy makes positive and negative."""

    positives: int
    negatives: int

    @property
    def share(self) -> float:
        """Positives among the cases that count, in [0, 1]; NaN where none counts."""
        counted = self.positives + self.negatives
        return self.positives / counted if counted else float("nan")


def prevalence(
    table: pa.Table, names: Sequence[str], policy: Policy | Mapping[str, Policy], blank: Blank = "zero"
) -> dict[str, Prevalence]:
    """What `label_matrix` would hold, counted per label; no matrix is made. Arguments and errors are the same."""
    counts = {}
    for name in () if policy == "none" else names:
        targets = _targets(policy, name, blank)
        found = np.bincount(_states(table, name), minlength=len(_STATES))
        counts[name] = Prevalence(*(int(found[targets == value].sum()) for value in (1, 0)))
    return counts


def keeps_uncertain(names: Sequence[str], policy: Policy | Mapping[str, Policy]) -> bool:
    """Whether a policy makes uncertain mentions a class of their own in one of these labels."""
    return any((policy if isinstance(policy, str) else policy.get(name)) == "multi_class" for name in names)


def labels_of(policy: Policy | Mapping[str, Policy]) -> tuple[str, ...] | None:
    """The labels that a policy speaks of, in its order; None where it speaks of any.

    `medvl data stats` asks this to show a mix only for datasets that have all its labels.
    """
    rules = MIXES.get(policy) if isinstance(policy, str) else policy
    return None if rules is None else tuple(rules)


def policy_problems(policy: object, blank: object) -> list[str]:
    """What is wrong with a policy (a name, or a mapping of labels to names of simple ones) and a rule for blanks."""
    problems = [] if blank in BLANKS else [unknown("blank", str(blank), BLANKS)]
    if isinstance(policy, Mapping):
        problems += ["labels: policy is an empty mapping. do: give each label a policy"] if not policy else []
        problems += [unknown("label policy", str(one), SIMPLE, of=f"'{name}'") for name, one in policy.items()
                     if one not in SIMPLE]  # fmt: skip
    elif policy not in POLICIES:
        problems.append(unknown("label policy", str(policy), POLICIES))
    named = list(policy.values()) if isinstance(policy, Mapping) else [policy]
    fixed = [one for one in _FIXED_BLANKS if one in named]
    if fixed and blank == "ignore":
        problems.append(f"labels: under {fixed[0]} blanks are 0; to ignore them choose another policy, e.g. ignore")
    return problems


def _targets(policy: Policy | Mapping[str, Policy], name: str, blank: Blank) -> np.ndarray:
    """(4,) float32: what each of `_STATES` becomes."""
    rules = MIXES.get(policy) if isinstance(policy, str) else policy
    if rules is not None and name not in rules:
        raise DataError(unknown("label", name, rules, of="the label policy"))
    simple = str(policy) if rules is None else rules[name]
    return np.array([_UNCERTAIN[simple], 0.0, 1.0, np.nan if blank == "ignore" else 0.0], np.float32)


def _states(table: pa.Table, name: str) -> np.ndarray:
    """(N,) int8: each row's place in `_STATES`."""
    return np.asarray(pc.fill_null(label_column(table, name), _BLANK_CODE)) + np.int8(1)


def label_column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A label's column: int8, null where not mentioned.

    Raises:
        DataError: there is none; says which is nearest.
    """
    if LABEL_PREFIX + name not in table.column_names:
        known = [c.removeprefix(LABEL_PREFIX) for c in table.column_names if c.startswith(LABEL_PREFIX)]
        raise DataError(unknown("label", name, known))
    return table.column(LABEL_PREFIX + name)
