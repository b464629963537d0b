"""Questions about a phantom radiograph that its pixels alone can answer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medvl.datasets.phantom.cases import Studies
from medvl.datasets.phantom.random import Draws, keys
from medvl.datasets.phantom.render import LATERAL, VIEWS
from medvl.datasets.phantom.reports import Pick

Question = dict[str, str]

_SIDES = ("right", "left", "both")
_ZONES = ("upper", "mid", "lower")
_ASKED = 0.4  # how often an absent sign is asked for
_VIEW = ("Which view is this?", "What projection is shown?")
# sign -> (questions whether it is there, questions where, questions how large)
_PHRASES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "effusion": (
        ("Is there a pleural effusion?", "Does the patient have a pleural effusion?"),
        ("On which side is the pleural effusion?", "Where is the effusion?"),
        ("How large is the pleural effusion?",),
    ),
    "pneumothorax": (
        ("Is there a pneumothorax?", "Is a pneumothorax seen?"),
        ("On which side is the pneumothorax?", "Which lung has collapsed?"),
        ("How large is the pneumothorax?",),
    ),
    "heart": (("Is the heart enlarged?", "Is there cardiomegaly?"), (), ("How enlarged is the heart?",)),
    "focal": (
        ("Is there a focal lung opacity?", "Is there a focal opacity?"),
        ("Where is the focal opacity?", "In which lung zone is the opacity?"),
        ("How large is the focal opacity?",),
    ),
    "diffuse": (("Are there diffuse opacities in both lungs?", "Is there a bilateral diffuse opacity?"), (), ()),
}
_DEVICES = {"tube": "endotracheal tube", "line": "central line", "pacemaker": "pacemaker"}
_ON_LATERAL = ("effusion", "heart", "focal", "diffuse")


def write_questions(seed: int, studies: Studies, views: npt.NDArray[np.int64]) -> list[list[Question]]:
    """For each image, its study and its view (index into `VIEWS`): questions with answers, open or closed."""
    draws = Draws(keys(seed, studies.patient, studies.study, 10 + views))
    asked = {name: draws.chance(f"asked.{name}", _ASKED).tolist() for name in (*_PHRASES, "devices")}
    choices = (draws.bits("questions", 24) >> np.uint64(40)).tolist()
    columns = {name: getattr(studies, name).tolist() for name in studies.__dataclass_fields__}
    questions = []
    for row, view in enumerate(views.tolist()):
        study = {name: column[row] for name, column in columns.items()}
        wanted = {name for name, column in asked.items() if column[row]}
        questions.append(_of_image(study, VIEWS[view], wanted, Pick(choices[row])))
    return questions


def _of_image(study: dict, view: str, wanted: set[str], pick: Pick) -> list[Question]:
    lateral = view == LATERAL
    questions = [_ask(pick(_VIEW), view, "open")]
    for sign in _ON_LATERAL if lateral else _PHRASES:
        if study[sign] or sign in wanted:
            questions.extend(_of_sign(study, sign, lateral, pick))
    worn = [name for device, name in _DEVICES.items() if study[device]]
    if not lateral and (worn or "devices" in wanted):
        questions.append(_ask("Is there a support device?", "yes" if worn else "no", "closed"))
        if worn:
            questions.append(_ask("Which support devices are seen?", " and ".join(worn), "open"))
    return questions


def _of_sign(study: dict, sign: str, lateral: bool, pick: Pick) -> list[Question]:
    whether, where, how_large = _PHRASES[sign]
    severity = study[sign]
    questions = [_ask(pick(whether), "yes" if severity else "no", "closed")]
    if severity and where and not lateral:
        place = _SIDES[study[f"{sign}_side"]]
        if sign == "focal":
            place += f" {_ZONES[study['focal_zone']]}"
        questions.append(_ask(pick(where), place, "open"))
    if severity and how_large:
        grades = ("mildly", "moderately", "severely") if sign == "heart" else ("small", "moderate", "large")
        questions.append(_ask(pick(how_large), grades[0 if severity < 0.5 else 1 if severity < 0.78 else 2], "open"))
    return questions


def _ask(question: str, answer: str, kind: str) -> Question:
    return {"question": question, "answer": answer, "kind": kind}
