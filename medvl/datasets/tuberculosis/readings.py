"""The clinical readings of the Shenzhen and Montgomery sets: sex, age, and what the radiologist read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SEX_WORDS = {"M": "male", "F": "female"}
UNITS = {"y": ("years", 1), "m": ("months", 12), "d": ("days", 365)}  # word, and how many make a year
_SEX = re.compile(r"\b(female?|male|f|m)\b", re.IGNORECASE)
_AGE = re.compile(r"(\d+)\s*([ymd]?)", re.IGNORECASE)
_PATIENT = re.compile(r"patient'?s (sex|age)\s*:", re.IGNORECASE)
_DEMOGRAPHIC = re.compile(r"^\s*(patient'?s (sex|age)\s*:|(female?|male|f|m)\b[\s,]*\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Reading:
    """One clinical reading.

    Attributes:
        sex: `F`, `M`, or None where it is not told.
        age: whole years, or None.
        demographics: both in words, `female, 27 years` or `male, 16 months`; None where neither is told.
        reading: what was read, lines joined by a blank; None where nothing was.
    """

    sex: str | None = None
    age: int | None = None
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
    demographics = _PATIENT.sub("", " ".join(told))
    sex, age = _SEX.search(demographics), _AGE.search(demographics)
    letter = sex[1][0].upper() if sex else None
    unit, in_a_year = UNITS[age[2].lower() or "y"] if age else UNITS["y"]
    words = ([SEX_WORDS[letter]] if letter else []) + ([f"{int(age[1])} {unit}"] if age else [])
    return Reading(letter, int(age[1]) // in_a_year if age else None, ", ".join(words) or None, read or None)
