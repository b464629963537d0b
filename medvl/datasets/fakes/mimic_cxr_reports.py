"""Reports of phantom studies as MIMIC-CXR lays them out, with what is odd about their headers."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping

WIDTH = 78  # of a line, the blank at its start included
TITLE = " " * 33 + "FINAL REPORT"
TECHNIQUE = "Single frontal view of the chest."
FORMS = 12  # that `write_report` knows
SAID = ("indication", "comparison", "findings", "impression")

Parts = list[tuple[str | None, str | None]]

_MARKED = re.compile(r"^\d+ (?=year old)|\b\d+ (?=days\b)")


def marked(text: str) -> str:
    """Ages and times as de-identification leaves them: `___ year old`."""
    return _MARKED.sub("___ ", text)


def write_report(form: int, said: Mapping[str, str | None]) -> str:
    """A study's report.

    Args:
        form: 0 to 11: 2 history and findings alone; 3 a title that looks like a header, a reason for the exam, an
            impression; 4 every header misspelt; 5 impression before findings, comparison last; 6 findings and
            impression under one header; 7 an addendum with an impression of its own; 8 paragraphs under a history;
            9 no headers; 10 no indication; 11 a wet read, and lower-case headers, which are none; else as usual.
        said: `indication`, `comparison`, `findings` and `impression`, None where a study has none.

    Returns:
        Lines of less than 80 characters, each with a blank in front, paragraphs apart by a line of one blank.
    """
    texts = {name: marked(text) for name, text in said.items() if text}
    conclusion = " ".join(texts[name] for name in ("findings", "impression") if name in texts)
    examination, technique = ("EXAMINATION", "CHEST RADIOGRAPH"), ("TECHNIQUE", TECHNIQUE)
    indication, comparison, findings, impression = ((name.upper(), texts.get(name)) for name in SAID)
    usual: Parts = [examination, indication, technique, comparison, findings, impression]
    history = ("CLINICAL HISTORY", texts.get("indication") or "Cough.")
    forms: dict[int, Parts] = {
        2: [("HISTORY", texts.get("indication")), ("FINDINGS", conclusion)],
        3: [("CHEST, PA AND LATERAL", ""), ("REASON FOR EXAM", texts.get("indication")), ("IMPRESSION", conclusion)],
        4: [
            ("IDICATION", texts.get("indication")), ("COMPARISION", texts.get("comparison")),
            ("FINDINDGS", texts.get("findings")), ("IMPRESSON", texts.get("impression")),
        ],
        5: [impression, findings, indication, comparison],
        6: [indication, ("FINDINGS AND IMPRESSION", conclusion)],
        7: [*usual, ("ADDENDUM", "The following was added later."), ("IMPRESSION", f"Corrected: {conclusion}")],
        8: [history, (None, conclusion)],
        9: [(None, conclusion)],
        10: [technique, comparison, findings, impression],
        11: [
            indication, ("WET READ", "Wet read: no change. Impression: see below."), comparison,
            ("FINDINGS", conclusion),
        ],
    }  # fmt: skip
    parts = [_paragraph(header, text) for header, text in forms.get(form, usual) if text is not None]
    return "\n \n".join([TITLE, *parts]) + "\n"


def _paragraph(header: str | None, text: str) -> str:
    wrapped = textwrap.fill(text, WIDTH, initial_indent=" ", subsequent_indent=" ")
    if header is None:
        return wrapped
    if header.startswith(("FIND", "IMPR", "CHEST")):  # these stand on a line of their own
        return f" {header}: " + (f"\n \n{wrapped}" if text else "")
    return textwrap.fill(f"{header}:  {text}", WIDTH, initial_indent=" ", subsequent_indent=" ")
