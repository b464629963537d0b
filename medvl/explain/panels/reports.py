"""The generated report beside the original one, phrases coloured by finding (MedViLL, Moon 2022, Figure 5b)."""

from __future__ import annotations

from typing import ClassVar
from xml.etree.ElementTree import Element

from medvl.errors import PackageMissing
from medvl.explain.markup import element
from medvl.explain.panel import Panel, Shown
from medvl.explain.subject import Subject
from medvl.labelers.aggregate import labels_of
from medvl.labelers.base import NEGATIVE, NOT_MENTIONED, POSITIVE, STATES, UNCERTAIN, Labeler, Mention

LABELER = "rules"
MARKS = {POSITIVE: "+", NEGATIVE: "−", UNCERTAIN: "?", NOT_MENTIONED: ""}
HUES = 12  # colours of findings, as classes of the page


class WrittenReports(Panel):
    """What the objective writes, and what the radiologist wrote."""

    title: ClassVar[str] = "Generated and original report"
    about: ClassVar[str] = (
        "A colour is a finding; + says it is there, − that it is not, ? that it may be. The table compares what both "
        "reports say of each finding that either mentions."
    )

    def lacks(self, subject: Subject) -> str | None:
        """Needs an objective that writes reports, a text to compare with, and the labeler's packages."""
        if "report" not in subject.trainable.objective.predicts:
            return "its objective writes no reports"
        if not subject.has_texts:
            return "the data gives the stage no text to compare with"
        try:
            subject.trained.plugins.registry.get("labeler", LABELER).load()
        except PackageMissing as error:
            return str(error)
        return None

    def show(self, subject: Subject) -> list[Shown]:
        """Both reports side by side, and where they agree."""
        text = subject.trainable.model.text
        assert text is not None  # what writes has a vocabulary
        labeler: Labeler = subject.trained.plugins.registry.get("labeler", LABELER).load()()
        ids = subject.predict(subject.rows, "report")  # (L,) each
        written = [text.tokenizer.decode(row.long()[None].numpy())[0] for row in ids]
        return [
            Shown(_compared(labeler, report, case.text)) for report, case in zip(written, subject.cases, strict=True)
        ]


def _compared(labeler: Labeler, generated: str, original: str) -> Element:
    reports = {"generated": labeler.mentions(generated), "original": labeler.mentions(original)}
    read = {name: found or ("", []) for name, found in reports.items()}
    columns = [
        element("div", element("h4", name), _coloured(text, mentions, labeler.findings), class_="report")
        for name, (text, mentions) in read.items()
    ]
    states = [
        labels_of(mentions, labeler.findings, blank=not text)
        for text, mentions in (read["generated"], read["original"])
    ]
    return element("div", element("div", *columns, class_="reports"), _agreement(labeler.findings, *states))


def _coloured(text: str, mentions: list[Mention], findings: tuple[str, ...]) -> Element:
    """The report with its phrases marked; of phrases that overlap the first."""
    pieces: list[Element | str] = []
    end = 0
    for mention in mentions:
        if mention.start < end:
            continue
        title = f"{', '.join(mention.findings)}: {STATES[mention.state]}"
        phrase = text[mention.start : mention.stop]
        marked = (element("mark", phrase, element("sup", MARKS[mention.state]), title=title,
                          class_=f"{_hue(mention.findings[0], findings)} {STATES[mention.state]}"))  # fmt: skip
        pieces += [text[end : mention.start], marked]
        end = mention.stop
    return element("p", *pieces, text[end:] or ("" if pieces else "(nothing)"))


def _agreement(findings: tuple[str, ...], generated: list[int], original: list[int]) -> Element:
    """A line for each finding that either report mentions."""
    rows = []
    for finding, ours, theirs in zip(findings, generated, original, strict=True):
        if (ours, theirs) == (NOT_MENTIONED, NOT_MENTIONED):
            continue
        name = element("th", element("mark", finding, class_=_hue(finding, findings)), scope="row")
        cells = [element("td", f"{MARKS[state]} {STATES[state]}".strip()) for state in (ours, theirs)]
        verdict = element("td", "✓ agrees" if ours == theirs else "✗ differs")
        rows.append(element("tr", name, *cells, verdict, class_="right" if ours == theirs else "wrong"))
    head = element("thead", element("tr", *(element("th", name) for name in ("finding", "generated", "original", ""))))
    return element("table", head, element("tbody", *rows), class_="agreement")


def _hue(finding: str, findings: tuple[str, ...]) -> str:
    return f"hue{findings.index(finding) % HUES}" if finding in findings else "hue0"
