"""Mentions of findings in reports: phrases, and the cues around them, on spaCy and negspacy."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator
from typing import Any

import negspacy.negation  # noqa: F401  # registers spaCy's "negex"
import spacy
from spacy.tokens import Doc, Span

from medvl.labelers import vocabulary
from medvl.labelers.base import NEGATIVE, POSITIVE, UNCERTAIN, Mention
from medvl.labelers.cues import FINDING_RULES, STRUCTURE_RULES, CueRule

_FINDING, _STRUCTURE, _IGNORED = "finding", "structure", "ignored"

_BREAK = re.compile(r"\s*\n\s*\n\s*|(?:^|(?<=\s))\(?\d{1,2}[.)]\s+(?=[A-Za-z])")  # a blank line, a number of a list

# spaCy cuts "cannot" in two and "CANNOT" not; this keeps the places of characters, as `str.lower` may not
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def _findings_of(single: dict[str, tuple[str, ...]], several: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Phrase -> the findings that it names."""
    return {phrase: (finding,) for finding, phrases in single.items() for phrase in phrases} | several


_NAMED = _findings_of(vocabulary.FINDINGS, vocabulary.SEVERAL)
_JUDGED = _findings_of(vocabulary.STRUCTURES, vocabulary.SEVERAL_STRUCTURES)
_FINDINGS = _NAMED | _JUDGED
_KINDS = (
    dict.fromkeys(_NAMED, _FINDING) | dict.fromkeys(_JUDGED, _STRUCTURE) | dict.fromkeys(vocabulary.IGNORED, _IGNORED)
)


class MentionReader:
    """Finds the phrases of `medvl.labelers.vocabulary` and asks `medvl.labelers.cues` what is said of them."""

    def __init__(self) -> None:
        self._pipeline = spacy.blank("en")
        self._pipeline.add_pipe("sentencizer")
        ruler: Any = self._pipeline.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
        ruler.add_patterns([{"label": kind, "pattern": phrase, "id": phrase} for phrase, kind in _KINDS.items()])
        for kind, rules in ((_FINDING, FINDING_RULES), (_STRUCTURE, STRUCTURE_RULES)):
            for name, rule in rules.items():
                config = {"extension_name": f"medvl_{name}", "neg_termset": _termset(rule), "ent_types": [kind]}
                self._pipeline.add_pipe("negex", name, config=config)

    def read(self, reports: Iterable[str]) -> Iterator[tuple[str, list[Mention]]]:
        """Each report as it was read, and its mentions in order; their characters count in that text."""
        texts = ((text.translate(_LOWER), text) for text in map(tidy, reports))
        for document, text in self._pipeline.pipe(texts, as_tuples=True):
            yield text, list(self._mentions(document))

    @staticmethod
    def _mentions(document: Doc) -> Iterator[Mention]:
        for span in document.ents:
            phrase = span.ent_id_  # as the vocabulary has it; blanks around its hyphens may differ in the text
            state = _structure_state(span) if span.label_ == _STRUCTURE else _state(span)
            if span.label_ == _IGNORED or state is None:
                continue
            yield Mention(span.start_char, span.end_char, _FINDINGS[phrase], state)
            if state != NEGATIVE and phrase in vocabulary.HEART_FAILURE:
                yield Mention(span.start_char, span.end_char, ("Cardiomegaly",), UNCERTAIN)


def tidy(report: str) -> str:
    """A report in one line, where a blank line or a number of a list ends a sentence."""
    return " ".join(_BREAK.sub(" . ", report).split())


def _state(span: Span) -> int:
    """A doubt beats a denial, since many doubts are worded as one ("cannot be excluded")."""
    said = span._
    if said.medvl_doubted_before or said.medvl_doubted_behind:
        return UNCERTAIN
    return NEGATIVE if said.medvl_denied_before or said.medvl_denied_behind else POSITIVE


def _structure_state(span: Span) -> int | None:
    """None where nothing is said of its size."""
    said = span._
    if said.medvl_abnormal:
        return UNCERTAIN if said.medvl_size_doubted else NEGATIVE if said.medvl_size_denied else POSITIVE
    return NEGATIVE if said.medvl_normal else None


def _termset(rule: CueRule) -> dict[str, list[str]]:
    return {
        "preceding_negations": list(rule.before),
        "following_negations": list(rule.behind),
        "pseudo_negations": list(rule.pseudo),
        "termination": list(rule.ends),
    }
