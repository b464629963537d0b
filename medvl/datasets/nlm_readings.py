"""The clinical readings of the Shenzhen and Montgomery sets: sex, age, and what the radiologist read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SEX_WORDS = {"m": "male", "f": "female"}
UNIT_WORDS = {"y": "years", "m": "months", "d": "days"}
_SEX = re.compile(r"\b(female?|male|f|m)\b", re.IGNORECASE)
_AGE = re.compile(r"(\d+)\s*([ymd]?)", re.IGNORECASE)
_DEMOGRAPHIC = re.compile(r"^\s*(patient'?s (sex|age)\s*:|(female?|male|f|m)\b[\s,]*\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Reading:
    """One clinical reading.

    Attributes:
        demographics: `female, 27 years`; what of it is told, None where nothing is.
        reading: what was read, lines joined by a blank; None where nothing was.
    """

    demographics: str | None = None
    reading: str | None = None


def read_reading(path: Path) -> Reading:
    """A reading's file; both parts are None where there is none. Bytes that are not UTF-8 are read as Latin-1."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Reading()
    try:
        return parse_reading(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return parse_reading(content.decode("latin-1"))


def parse_reading(text: str) -> Reading:
    """Shenzhen's form (`male 45yrs`) and Montgomery's (`Patient's Sex: F`, `Patient's Age: 027Y`), then the reading.

    Known variants: `Female, 28yrs`, `femal 32yrs`, `male 16month`, `female 64days`, a blank at a line's end, empty
    lines, CRLF, no reading.
    """
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    told = [line for line in lines if _DEMOGRAPHIC.match(line)]
    read = " ".join(line for line in lines if line not in told)
    return Reading(_demographics(" ".join(told)) or None, read or None)


def _demographics(told: str) -> str:
    told = re.sub(r"patient'?s (sex|age)\s*:", "", told, flags=re.IGNORECASE)
    sex, age = _SEX.search(told), _AGE.search(told)
    parts = [SEX_WORDS[sex[1][0].lower()]] if sex else []
    if age:
        parts.append(f"{int(age[1])} {UNIT_WORDS[age[2].lower() or 'y']}")
    return ", ".join(parts)
