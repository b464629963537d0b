"""The phantom's reports: indication, comparison, findings and impression of each study, from templates.

A label's value is what the report says: a finding is 0 only where a sentence denies it, null where none
mentions it. Some sections are missing from some studies, but never both findings and impression.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medvl.datasets.phantom import words
from medvl.datasets.phantom.cases import (
    BOTH,
    CONTEXTS,
    DIFFUSE_LABELS,
    FAINT,
    FOCAL_ALTERNATIVES,
    FOCAL_LABELS,
    Studies,
)
from medvl.datasets.phantom.random import Draws, keys

SECTIONS = ("indication", "comparison", "findings", "impression")

_MISSING = {"indication": 0.04, "comparison": 0.25, "findings": 0.12, "impression": 0.08}
_NO_REASON = 0.10  # of the indications name a complaint only
_DRAWS = 64  # choices of words that a report may take
_SIDES = ("right", "left", "bilateral")
_ZONES = ("upper", "mid", "lower")


@dataclass(frozen=True)
class Reports:
    """Of N studies: section -> N texts or None, and label -> (N,) whether an absent finding is denied in words."""

    sections: dict[str, list[str | None]]
    denied: dict[str, npt.NDArray[np.bool_]]


def write_reports(seed: int, studies: Studies, values: dict[str, npt.NDArray[np.int8]]) -> Reports:
    """The reports of these studies; `values` are their labels (see `label_values`)."""
    draws = Draws(keys(seed, studies.patient, studies.study))
    denied = {
        label: (values[label] == 0) & draws.chance(f"denied.{label}", rate) for label, rate in words.MENTIONED.items()
    }
    denied["Consolidation"] &= studies.focal == 0  # nobody denies it of an opacity that they have just described
    missing = {section: draws.chance(f"missing.{section}", rate) for section, rate in _MISSING.items()}
    missing["impression"] &= ~missing["findings"]
    choices = (draws.bits("words", _DRAWS) >> np.uint64(40)).tolist()
    no_reason = draws.chance("no_reason", _NO_REASON).tolist()

    columns = {name: getattr(studies, name).tolist() for name in studies.__dataclass_fields__}
    columns |= {label: column.tolist() for label, column in values.items()}
    columns |= {f"denied {label}": column.tolist() for label, column in denied.items()}
    sections: dict[str, list[str | None]] = {section: [] for section in SECTIONS}
    absent = {section: column.tolist() for section, column in missing.items()}
    for row in range(len(studies)):
        study = {name: column[row] for name, column in columns.items()}
        pick = Pick(choices[row])
        report = _report(study, pick, no_reason[row], absent["findings"][row], absent["impression"][row])
        for section in SECTIONS:
            sections[section].append(None if absent[section][row] else report[section])
    return Reports(sections, denied)


class Pick:
    """Takes one of several phrases, each time by the next of a report's random numbers."""

    def __init__(self, numbers: Sequence[int]):
        self._numbers: Iterator[int] = iter(numbers)

    def __call__(self, options: Sequence[str]) -> str:
        """One of them."""
        return options[next(self._numbers) % len(options)]

    def chance(self, one_in: int) -> bool:
        """True once in so many times."""
        return next(self._numbers) % one_in == 0


def _report(study: dict, pick: Pick, no_reason: bool, no_findings: bool, no_impression: bool) -> dict[str, str]:
    """All four sections; what a missing one would have said goes to the other, so that the labels stay true."""
    seen = _seen(study, pick)
    denials = [(label, pick(options)) for label, options in words.NEGATIVE.items() if study[f"denied {label}"]]
    early = [text for label, text in denials if label != "Pneumonia" or no_impression]
    late = [text for _, text in denials if text not in early]
    lungs_clear = not study["focal"] and not study["diffuse"]
    findings = [text for text, _ in seen] + ([pick(words.CLEAR)] if lungs_clear else []) + early
    if pick.chance(2):
        findings.append(pick(words.REMARKS))
    summary = [short for _, short in seen if short] or [pick(words.NORMAL)]
    impression = summary + late + (early if no_findings else [])
    if len(summary) > 1:
        impression = [f"{number}. {text}" for number, text in enumerate(impression, 1)]
    compared = pick(words.FIRST_STUDY if study["study"] == 1 else words.LATER_STUDY).format(days=study["days"])
    return {
        "indication": _indication(study, pick, no_reason),
        "comparison": compared,
        "findings": " ".join(findings),
        "impression": " ".join(impression),
    }


def _indication(study: dict, pick: Pick, no_reason: bool) -> str:
    complaint = pick(words.COMPLAINTS)
    reason = complaint if no_reason else pick(words.REASONS[CONTEXTS[study["context"]]])
    if not no_reason and pick.chance(3):
        reason = f"{reason}, {complaint}"
    person = "woman" if study["female"] else "man"
    forms = (
        f"{study['age']} year old {person} with {reason}. {pick(words.ASKS)}",
        f"{_capital(reason)}. {pick(words.ASKS)}",
        f"___ year old {person} with {reason}.",
        f"Reason: {reason}.",
        f"{_capital(reason)}.",
    )
    return pick(forms)


def _seen(study: dict, pick: Pick) -> list[tuple[str, str]]:
    """(sentence of the findings, phrase of the impression or nothing) for each thing there is to see."""
    seen = [_device(name, pick) for name in ("tube", "line", "pacemaker") if study[name]]
    for write, sign in ((_focal, "focal"), (_diffuse, "diffuse"), (_effusion, "effusion"), (_gas, "pneumothorax")):
        if study[sign]:
            seen.append(write(study, pick))
    if study["heart"]:
        seen.append(_heart(study, pick))
    return seen


def _device(name: str, pick: Pick) -> tuple[str, str]:
    sentence = pick(words.DEVICES[name])
    return sentence, sentence


def _focal(study: dict, pick: Pick) -> tuple[str, str]:
    label = FOCAL_LABELS[study["context"]]
    cause = pick(words.CAUSES[label])
    unsure = study["ambiguous"] or _hedged(study, "focal")
    if study["ambiguous"]:
        cause = f"{cause} or {pick(words.CAUSES[FOCAL_ALTERNATIVES[study['context']]])}"
    place = f"{_SIDES[study['focal_side']]} {_ZONES[study['focal_zone']]} {pick(('lung', 'lung zone', 'lobe'))}"
    sentence = _fill(pick(words.FOCAL), study, "focal", pick, place=place, cause=cause, unsure=unsure)
    return sentence, _capital(f"{'possible ' if unsure else ''}{cause} in the {place}.")


def _diffuse(study: dict, pick: Pick) -> tuple[str, str]:
    cause = pick(words.CAUSES[DIFFUSE_LABELS[study["context"]]])
    unsure = _hedged(study, "diffuse")
    sentence = _fill(pick(words.DIFFUSE), study, "diffuse", pick, cause=cause, unsure=unsure)
    return sentence, _capital(f"{'possible' if unsure else 'findings of'} {cause}.")


def _effusion(study: dict, pick: Pick) -> tuple[str, str]:
    if _hedged(study, "effusion"):
        sentence = pick(words.HEDGED["Pleural Effusion"])
        return sentence, sentence
    both = study["effusion_side"] == BOTH
    side = _SIDES[study["effusion_side"]]
    sentence = _fill(pick(words.EFFUSIONS if both else words.EFFUSION), study, "effusion", pick, side=side)
    return sentence, _capital(f"{_size(study['effusion'])} {side} pleural effusion{'s' if both else ''}.")


def _gas(study: dict, pick: Pick) -> tuple[str, str]:
    if _hedged(study, "pneumothorax"):
        sentence = pick(words.HEDGED["Pneumothorax"])
        return sentence, sentence
    side = _SIDES[study["pneumothorax_side"]]
    sentence = _fill(pick(words.PNEUMOTHORAX), study, "pneumothorax", pick, side=side)
    return sentence, _capital(f"{_size(study['pneumothorax'])} {side} pneumothorax.")


def _heart(study: dict, pick: Pick) -> tuple[str, str]:
    if _hedged(study, "heart"):
        sentence = pick(words.HEDGED["Cardiomegaly"])
        return sentence, sentence
    return _fill(pick(words.HEART), study, "heart", pick), _capital(f"{_grade(study['heart'])} cardiomegaly.")


def _fill(template: str, study: dict, sign: str, pick: Pick, *, unsure: bool = False, **said: str) -> str:
    size, grade = _size(study[sign]), _grade(study[sign])
    return template.format(
        size=size,
        Size=_capital(size),
        grade=grade,
        Grade=_capital(grade),
        change=_change(study[sign], study[f"{sign}_before"], pick),
        sure=pick(words.UNSURE if unsure else words.SURE),
        **said,
    )


def _hedged(study: dict, sign: str) -> bool:
    return study["hedged"] and study[sign] < FAINT


def _size(severity: float) -> str:
    return "small" if severity < 0.5 else "moderate" if severity < 0.78 else "large"


def _grade(severity: float) -> str:
    return "mild" if severity < 0.5 else "moderate" if severity < 0.78 else "severe"


def _change(now: float, before: float, pick: Pick) -> str:
    """How a sign compares with the previous study; nothing in a first study (before is NaN)."""
    if before != before:
        return ""
    if before == 0:
        return pick((", new", ", new since the prior study"))
    if abs(now - before) < 0.12:
        return pick((", unchanged", ", stable", ""))
    return pick((", increased", ", worse than before") if now > before else (", improved", ", decreased"))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
