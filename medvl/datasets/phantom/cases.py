"""Who is examined, why, and what is wrong with them: the phantom's patients, studies, signs and labels.

A *sign* is what the radiograph shows (an opacity, an effusion, a large heart). A *label* is what it is called.
For opacities the two part ways on purpose: the same focal opacity is called pneumonia, atelectasis, consolidation
or a lesion, and the same diffuse opacity edema or pneumonia, by the clinical context alone, and the context is
told by the indication alone. The context in turn says little about whether there is any opacity at all.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from medvl.datasets.phantom.random import Array, Draws, keys
from medvl.datasets.phantom.sites import SITES, Site

# CheXpert's names, in CheXpert's order (Irvin et al. 2019, Table 1).
LABELS = (
    "No Finding", "Cardiomegaly", "Lung Lesion", "Edema", "Consolidation", "Pneumonia",
    "Atelectasis", "Pneumothorax", "Pleural Effusion", "Support Devices",
)  # fmt: skip

CONTEXTS = ("infection", "surgery", "heart", "malignancy", "injury")

# How often each sign is present, per context; a site may see it more or less often.
SIGNS = {
    "focal": (0.42, 0.42, 0.36, 0.55, 0.53),
    "diffuse": (0.20, 0.18, 0.36, 0.12, 0.12),
    "heart": (0.15, 0.17, 0.36, 0.15, 0.12),
    "effusion": (0.17, 0.25, 0.30, 0.28, 0.14),
    "pneumothorax": (0.09, 0.17, 0.09, 0.11, 0.22),
}
DEVICE_RATES = {
    "tube": (0.07, 0.20, 0.06, 0.03, 0.12),
    "line": (0.08, 0.26, 0.12, 0.14, 0.10),
    "pacemaker": (0.03, 0.05, 0.24, 0.03, 0.03),
}

# What an opacity is called in each context, and what a hedging report names beside it.
FOCAL_LABELS = ("Pneumonia", "Atelectasis", "Atelectasis", "Lung Lesion", "Consolidation")
FOCAL_ALTERNATIVES = ("Atelectasis", "Pneumonia", "Pneumonia", "Consolidation", "Atelectasis")
DIFFUSE_LABELS = ("Pneumonia", "Edema", "Edema", "Edema", "Edema")

MAX_STUDIES = 3
STUDY_WEIGHTS = (0.5, 0.3, 0.2)  # of one, two, three studies
CORRELATION = 0.8  # between a sign's latent strength in one study and the next
FAINT = 0.40  # severity below which a report may hedge
RIGHT, LEFT, BOTH = 0, 1, 2  # sides of the patient; the right side is on the image's left


@dataclass(frozen=True)
class Studies:
    """One row per study; every column is (N,). A severity is 0 where the sign is absent, else in [0.25, 1]."""

    patient: npt.NDArray[np.int64]
    study: npt.NDArray[np.int64]  # from 1
    split: npt.NDArray[np.int64]  # index into `SPLITS`
    context: npt.NDArray[np.int64]  # index into `CONTEXTS`
    days: npt.NDArray[np.int64]  # since the previous study; 0 for the first
    age: npt.NDArray[np.int64]
    female: npt.NDArray[np.bool_]
    anteroposterior: npt.NDArray[np.bool_]  # the frontal view is AP
    lateral: npt.NDArray[np.bool_]  # a lateral view exists beside the frontal
    focal: Array
    diffuse: Array
    heart: Array
    effusion: Array
    pneumothorax: Array
    focal_before: Array  # the same severities in the patient's previous study; NaN in the first
    diffuse_before: Array
    heart_before: Array
    effusion_before: Array
    pneumothorax_before: Array
    focal_side: npt.NDArray[np.int64]  # RIGHT or LEFT
    focal_zone: npt.NDArray[np.int64]  # 0 upper, 1 mid, 2 lower
    effusion_side: npt.NDArray[np.int64]  # RIGHT, LEFT or BOTH
    pneumothorax_side: npt.NDArray[np.int64]  # RIGHT or LEFT
    tube: npt.NDArray[np.bool_]
    line: npt.NDArray[np.bool_]
    pacemaker: npt.NDArray[np.bool_]
    hedged: npt.NDArray[np.bool_]  # the report hedges what is faint
    ambiguous: npt.NDArray[np.bool_]  # the report names two causes for a focal opacity

    def __len__(self) -> int:
        return len(self.patient)

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Studies:
        """These rows, in this order."""
        return Studies(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def draw_studies(seed: int, patients: npt.NDArray[np.int64], site: Site = SITES["a"]) -> Studies:
    """All studies of these patients, in order; a patient's rows depend on `seed`, site and its number alone."""
    seed = site.mixed(seed)
    person = Draws(keys(seed, patients))
    count = 1 + person.choice("studies", STUDY_WEIGHTS)
    context = person.choice("context", site.contexts)
    columns = _constant(person, context, site)
    columns |= {"patient": patients, "context": context}
    grid = {name: np.repeat(column[:, None], MAX_STUDIES, axis=1) for name, column in columns.items()}
    grid["study"] = np.broadcast_to(np.arange(1, MAX_STUDIES + 1), grid["patient"].shape)

    visit = [Draws(keys(seed, patients, np.full_like(patients, number))) for number in range(1, MAX_STUDIES + 1)]
    for sign, rates in SIGNS.items():
        severity = _severities(visit, sign, np.asarray(rates)[context] * site.rates.get(sign, 1.0))
        grid[sign] = severity
        grid[f"{sign}_before"] = np.concatenate([np.full_like(severity[:, :1], np.nan), severity[:, :-1]], axis=1)
    for name in ("hedged", "ambiguous", "anteroposterior", "lateral", "days"):
        grid[name] = np.stack([_of_visit(draws, name, context, site) for draws in visit], axis=1)
    grid["days"] = np.where(grid["study"] == 1, 0, grid["days"])
    grid["lateral"] = grid["lateral"] & ~grid["anteroposterior"]

    exists = grid["study"] <= count[:, None]
    return Studies(**{name: column[exists] for name, column in grid.items()})


def _constant(person: Draws, context: npt.NDArray[np.int64], site: Site) -> dict[str, np.ndarray]:
    """What does not change from a patient's one study to the next."""
    devices = {
        name: person.chance(name, np.asarray(rates)[context] * site.rates.get(name, 1.0))
        for name, rates in DEVICE_RATES.items()
    }
    return devices | {
        "split": person.choice("split", (0.7, 0.1, 0.2)),
        "age": np.clip(person.normal("age", site.age, 16), 19, 92).astype(np.int64),
        "female": person.chance("female", 0.48),
        "focal_side": person.choice("focal_side", (0.55, 0.45)),
        "focal_zone": person.choice("focal_zone", (0.27, 0.33, 0.40)),
        "effusion_side": person.choice("effusion_side", (0.36, 0.30, 0.34)),
        "pneumothorax_side": person.choice("pneumothorax_side", (0.52, 0.48)),
    }


def _of_visit(draws: Draws, name: str, context: npt.NDArray[np.int64], site: Site) -> np.ndarray:
    """What is drawn anew at every study."""
    if name == "days":
        return np.floor(draws.uniform("days", 1, 15)).astype(np.int64)
    if name == "anteroposterior":
        return draws.chance(name, np.asarray(site.portable)[context])
    return draws.chance(name, {"hedged": 0.5, "ambiguous": 0.08, "lateral": 0.3}[name])


def _severities(visit: list[Draws], sign: str, rate: Array) -> Array:
    """(P, MAX_STUDIES): a latent strength follows the patient from study to study; its top `rate` is visible.

    The distribution function of the normal law is taken as logistic (error below 0.01).
    """
    latent = visit[0].normal(sign)
    severities = []
    for number, draws in enumerate(visit):
        if number:
            latent = CORRELATION * latent + np.sqrt(1 - CORRELATION**2) * draws.normal(sign)
        rank = 1.0 / (1.0 + np.exp(1.702 * latent))  # uniform in (0, 1), small where the latent is strong
        severities.append(np.where(rank < rate, 1.0 - 0.75 * rank / rate, 0.0))
    return np.stack(severities, axis=1)


def label_values(studies: Studies) -> dict[str, npt.NDArray[np.int8]]:
    """Label name -> (N,) 1 present, -1 present but hedged by the report, 0 absent; one value for all a study's images.

    Which absent findings a report leaves unmentioned is for `medvl.datasets.phantom.reports` to say.
    """
    values = {label: np.zeros(len(studies), dtype=np.int8) for label in LABELS}
    names = {name: np.asarray(table)[studies.context] for name, table in _CAUSES.items()}

    def state(severity: Array) -> npt.NDArray[np.int8]:
        faint = (severity < FAINT) & studies.hedged
        return np.where(severity > 0, np.where(faint, -1, 1), 0).astype(np.int8)

    values["Cardiomegaly"] = state(studies.heart)
    values["Pleural Effusion"] = state(studies.effusion)
    values["Pneumothorax"] = state(studies.pneumothorax)
    focal, diffuse = state(studies.focal), state(studies.diffuse)
    unsure = studies.ambiguous & (focal != 0)
    focal = np.where(unsure, -1, focal)
    for label in LABELS:
        _merge(values, label, np.where(names["focal"] == label, focal, 0))
        _merge(values, label, np.where(unsure & (names["alternative"] == label), -1, 0))
        _merge(values, label, np.where(names["diffuse"] == label, diffuse, 0))
    values["Support Devices"] = (studies.tube | studies.line | studies.pacemaker).astype(np.int8)
    found = [values[label] != 0 for label in LABELS if label not in ("No Finding", "Support Devices")]
    values["No Finding"] = (~np.any(found, axis=0)).astype(np.int8)
    return values


_CAUSES = {"focal": FOCAL_LABELS, "alternative": FOCAL_ALTERNATIVES, "diffuse": DIFFUSE_LABELS}


def _merge(values: dict[str, npt.NDArray[np.int8]], label: str, new: np.ndarray) -> None:
    """Two mentions of one label: present beats hedged beats absent."""
    old = values[label]
    present = (old == 1) | (new == 1)
    values[label] = np.where(present, 1, np.where((old == -1) | (new == -1), -1, 0)).astype(np.int8)
