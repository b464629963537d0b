"""Lint: texts that say a label's name, un-denied, almost exactly where the label is set. A probe of the data itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.label_policy import label_column
from medvl.data.lints.finding import LABEL_IN_TEXT, Finding
from medvl.data.texts import Texts

# What reports call a finding beside its name; stems, so `effusion` finds `effusions`.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "cardiomegaly": ("enlarged heart", "heart is enlarged", "heart size is enlarged", "enlarged cardiac"),
    "lung lesion": ("nodul", "mass", "lesion"),
    "nodule": ("nodul",),
    "lung opacity": ("opacit", "opacif"),
    "atelectasis": ("atelect",),
    "pneumonia": ("bronchopneumonia",),
    "pleural effusion": ("effusion",),
    "effusion": ("effusion",),
    "pleural thickening": ("pleural thicken",),
    "fibrosis": ("fibro",),
    "emphysema": ("emphysem",),
    "infiltration": ("infiltrat",),
    "fracture": ("fractur",),
    "hernia": ("hernia",),
    "covid-19": ("covid", "coronavirus", "sars-cov-2"),
    "tuberculosis": ("tubercul", "ptb"),
    "support devices": ("tube", "catheter", "pacemaker", "picc", "port-a-cath", "central line"),
    "no finding": ("no acute", "normal chest", "unremarkable"),
}  # fmt: skip

# From a denial or a question to the end of its clause: `no focal consolidation or effusion.`
DENIALS = (
    "no", "not", "without", "never", "absent", "negative for", "free of", "clear of", "resolved", "rule out",
    "evaluate", "assess", "query",
)  # fmt: skip
DENIED = rf"(?i)\b({'|'.join(DENIALS)})\b[^.;:]*"

PRECISION = 0.75  # of the texts that say it, at least this share carry the label
RECALL = 0.2  # of the cases with the label, at least this share say it
FEWEST = 10  # texts that say it; fewer prove nothing
SAMPLE = 20_000  # texts that are looked at


def labels_said_in_text(texts: Texts, rows: np.ndarray, labels: Sequence[str]) -> list[Finding]:
    """A warning that lists the labels which words of the input give away.

    Measured against labels mined from reports, findings and impression give 0.7 to 1.0 of precision at 0.4 to 0.9 of
    recall; indications stay below 0.5 and 0.25. Uncertain mentions count as set: a labeler found them in words too.

    Args:
        texts: of the study table, which holds the labels too.
        rows: (n,) int64, the cases to learn from; `SAMPLE` of them, evenly spread, are looked at.
        labels: names of the labels that are learned.
    """
    chosen = sampled(rows)
    said_at_all = texts.read(chosen)
    told = pc.replace_substring_regex(said_at_all, pattern=DENIED, replacement=" ")
    given = []
    for label in labels:
        values = label_column(texts.table, label).take(pa.array(chosen))
        marked = np.asarray(pc.fill_null(pc.not_equal(values, 0), False))
        # "no acute" is the words of a normal report, which would be struck out as a denial
        said = _says(said_at_all if label == "No Finding" else told, label)
        measured = _gives_away(said, marked)
        if measured is not None:
            given.append((label, *measured))
    if not given:
        return []
    listed = ", ".join(f"{label} (right {right:.0%}, of all {found:.0%})" for label, right, found in given)
    return [
        Finding(
            LABEL_IN_TEXT,
            "warning",
            f"the text ({texts.rule}) says {len(given)} of {len(labels)} labels in words: {listed}",
            "take a section that was written before the image was read, or leave these labels out",
        )
    ]


def sampled(rows: np.ndarray) -> np.ndarray:
    """At most about `SAMPLE` of the rows, evenly spread."""
    return rows[:: -(-len(rows) // SAMPLE) or 1]


def words_of(label: str) -> tuple[str, ...]:
    """The beginnings of the words that stand for a label: its own name, and what reports call it."""
    name = label.replace("_", " ").lower()
    return (name, *SYNONYMS.get(name, ()))


def _says(texts: pa.Array, label: str) -> np.ndarray:
    """(n,) bool."""
    words = "|".join(re.escape(word) for word in words_of(label))
    return np.asarray(pc.match_substring_regex(texts, pattern=rf"(?i)\b({words})"))


def _gives_away(said: np.ndarray, marked: np.ndarray) -> tuple[float, float] | None:
    """(precision, recall) of (n,) bool words against (n,) bool labels, where both are high."""
    both = int((said & marked).sum())
    if both < FEWEST:
        return None
    precision, recall, prevalence = both / int(said.sum()), both / int(marked.sum()), float(marked.mean())
    # a label that nearly all have is "predicted" by any word: the words must halve what is left to know
    enough = max(PRECISION, (1 + prevalence) / 2)
    return (precision, recall) if precision >= enough and recall >= RECALL else None
