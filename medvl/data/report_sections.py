"""A radiology report's text -> its sections, by the rules of MIMIC-CXR's owner.

The rules are those of `txt/section_parser.py` and `txt/create_section_files.py` in MIT-LCP's MIMIC code (Johnson et al.
2019, "MIMIC-CXR, a de-identified publicly available database of chest radiographs with free-text reports"). A header is
a line of capitals, one blank in from the margin, that ends in a colon. Only what stands beyond them is said here:
`indication` falls back on the history, as Jacenkow et al. 2022 have it, and line breaks become blanks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

SECTIONS = ("indication", "findings", "impression", "comparison", "technique", "last_paragraph", "conclusion")

# Where the owner looks for what the radiologist concludes: the last section of the first of these names that occurs.
CONCLUSIONS = ("impression", "findings", "last_paragraph", "comparison")

Parts = list[tuple[str, str]]

_HEADER = re.compile(r"\n ([A-Z ()/,-]+):\s")
_BLANK_LINE = "\n \n"

# A section's name -> the headers that the owner found to mean it, slips of the keyboard among them.
_SPELLINGS: Mapping[str, Sequence[str]] = {
    "impression": (
        "conclusion", "findings and impression", "findings/impression", "findings/ impression", "impresson",
        "imprression", "imoression", "impressoin", "imprssion", "impresion", "imperssion", "mpression", "impession",
        "ndication",  # the owner's reading of one report; the spelling alone would say indication
    ),
    "findings": (
        "chest, two views", "finding", "findins", "findindgs", "findgings", "findngs", "findnings", "finidngs",
        "reference findings",
    ),
    "indication": ("reason for examination", "reason for exam", "clinical indication", "idication"),
    "history": ("clinical history", "clinical information", "patient history", "pfi"),
    "comparison": (
        "comparisons", "comparison exam", "comparison film", "reference exam", "comparision", "comparsion",
        "comparrison", "comparisions",
    ),
    "examination": ("exam", "type of examination"),
    "recommendations": ("recommendation(s)", "recommendation"),
    "wet read": ("wetread",),
    **{name: () for name in ("preamble", "technique", "notification", "addendum", "date", "comment")},
}  # fmt: skip
_NAMES = {header: name for name, headers in _SPELLINGS.items() for header in (name, *headers)}

# Of any other header: the first of these names that it contains, ...
_CONTAINED = ("impression", "findings", "history", "comparison", "addendum")
# ... else the findings, where it describes the views taken (`PORTABLE AP CHEST RADIOGRAPH`).
_VIEWS = re.compile(
    "chest|portable|pa and lat|ap and lateral|lateral and (?:pa|ap)|frontal and|two views|one view"
    "|(?:frontal|pa|ap|lateral) view|bone window|frontal (?:semi-)?upright|ribs"
)


@lru_cache(maxsize=1 << 14)
def section_name(header: str) -> str:
    """A header's section (`IMPRESSOIN` -> `impression`); the header itself in lower case where it means none."""
    header = header.lower().strip()
    if header in _NAMES:
        return _NAMES[header]
    contained = next((name for name in _CONTAINED if name in header), None)
    return contained or ("findings" if _VIEWS.search(header) else header)


def split_report(text: str) -> Parts:
    """The report in order as (section's name, text as it stands), what precedes the first header as `preamble`.

    A report without headers is one `full report`. Findings and impressions without text, such as a title that is
    taken for a header, are left out. Where neither is left, what follows the first blank line of the last section
    becomes the `last_paragraph`.
    """
    pieces = _HEADER.split(text)
    if len(pieces) == 1:
        parts = [("full report", text)]
    else:
        names = ("preamble", *map(section_name, pieces[1::2]))
        bodies = pieces[0::2]
        parts = [
            (name, body)
            for name, body in zip(names, bodies, strict=True)
            if body.strip() or name not in ("findings", "impression")
        ]
    if not any(name in ("findings", "impression") for name, _ in parts):
        name, body = parts[-1]
        before, blank, after = body.partition(_BLANK_LINE)
        if blank:
            parts[-1:] = [(name, before), ("last_paragraph", after)]
    return parts


def sections_of(text: str) -> dict[str, str]:
    """The sections of a report that have any text, of `SECTIONS` and under any other name that its headers give.

    Where a name occurs several times (an addendum repeats the impression) the last one counts, as the owner has it.

    Args:
        text: the report; line ends may be of any kind.

    Returns:
        Name -> text on one line, without surrounding blanks.
    """
    parts = split_report(unix_lines(text))
    found = {name: one_line(body) for name, body in parts}
    if not found.get("indication") and "history" in found:
        found["indication"] = found["history"]
    # a blank impression or findings is no part at all; a blank last paragraph or comparison still counts as the last
    found["conclusion"] = next((found[name] for name in CONCLUSIONS if name in found), "")
    return {name: body for name, body in found.items() if body}


def one_line(text: str) -> str:
    """Lines joined and blanks made single."""
    return " ".join(text.split())


def unix_lines(text: str) -> str:
    """Line ends of any kind as `\\n`."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
