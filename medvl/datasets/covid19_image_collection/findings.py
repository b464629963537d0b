"""The findings of the COVID-19 Image Data Collection: a hierarchy, spelled in two ways."""

from __future__ import annotations

import re
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

COVID, VIRAL, BACTERIAL, PNEUMONIA, ARDS = "COVID-19", "Viral", "Bacterial", "Pneumonia", "ARDS"
FINDINGS = (
    "No Finding", PNEUMONIA, VIRAL, COVID, "SARS", BACTERIAL, "Streptococcus", "Fungal", "Pneumocystis",
    "Tuberculosis", ARDS,
)  # fmt: skip
UNDECIDED = ("todo", "unknown")

# A finding -> what it is a kind of. Early releases give the last name alone (`COVID-19, ARDS`), the final one the path
# (`Pneumonia/Viral/COVID-19`); this makes them say the same.
PARENTS = MappingProxyType(
    dict.fromkeys((VIRAL, BACTERIAL, "Fungal", "Lipoid", "Aspiration"), PNEUMONIA)
    | dict.fromkeys((COVID, "SARS", "MERS-CoV", "Influenza", "Varicella", "Herpes"), VIRAL)
    | dict.fromkeys(
        ("Streptococcus", "Klebsiella", "Legionella", "E.Coli", "Mycoplasma", "Chlamydophila", "Nocardia",
         "Staphylococcus"),
        BACTERIAL,
    )
    | dict.fromkeys(("Pneumocystis", "Aspergillosis"), "Fungal")
    | {"H1N1": "Influenza", "MRSA": "Staphylococcus"}
)  # fmt: skip


def finding_states(column: pa.ChunkedArray) -> tuple[np.ndarray, dict[str, pa.Array]]:
    """What a column of findings says of each of `FINDINGS`.

    A finding implies those it is a kind of. One that is not named is denied (0), except where only something less
    precise is named: `Pneumonia` alone leaves `Viral` and all below it unknown (null).

    Args:
        column: (N,) strings, null where blank.

    Returns:
        (N,) bool, whether the row is decided at all (not blank, `todo` or `Unknown`); and finding -> (N,) int8: 1, 0 or
        null.
    """
    encoded = pc.dictionary_encode(column.combine_chunks(), null_encoding="encode")
    cells = encoded.dictionary.to_pylist()
    named = [_named(cell) for cell in cells]
    decided = np.array([bool(names) and not names & set(UNDECIDED) for names in named], bool)
    states = {}
    for finding in FINDINGS:
        state = pa.array([_state(finding, names) for names in named], pa.int8())
        states[finding] = state.take(encoded.indices)
    return decided[np.asarray(encoded.indices)], states


def _named(cell: str | None) -> set[str]:
    names = {part.strip() for part in re.split(r"[/,]", cell or "")} - {""}
    return {name.lower() if name.lower() in UNDECIDED else name for name in names}


def _state(finding: str, named: set[str]) -> int | None:
    implied = {ancestor for name in named for ancestor in _lineage(name)}
    if finding in implied:
        return 1
    # the most precise names; a path names its own beginning, too
    precise = named - {ancestor for name in named for ancestor in _lineage(name)[1:]}
    return None if precise & set(_lineage(finding)) else 0


def _lineage(finding: str) -> list[str]:
    """A finding, then what it is a kind of, up to the top."""
    line = [finding]
    while line[-1] in PARENTS:
        line.append(PARENTS[line[-1]])
    return line
