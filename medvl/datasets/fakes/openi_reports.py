"""Phantom studies as Open-I reports: numbers, image names, descriptors and gaps as the official files have them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medvl.data.dataset import LABEL_PREFIX, SPLITS, TEXT_PREFIX
from medvl.datasets.openi.xml import SECTIONS
from medvl.datasets.phantom.cases import LABELS, draw_studies
from medvl.datasets.phantom.dataset import Phantom
from medvl.datasets.phantom.render import LATERAL, VIEWS, draw_scene, render

RESOLUTION = 128
CHUNK = 8  # radiographs drawn at once
FEWEST = 3  # patients, so that train, val and test have a report each

DESCRIPTORS = {
    "No Finding": "normal",
    "Cardiomegaly": "Cardiomegaly/mild",
    "Lung Lesion": "Nodule/lung/upper lobe/left",
    "Edema": "Pulmonary Edema/interstitial",
    "Consolidation": "Consolidation/lung/base/right",
    "Pneumonia": "Pneumonia/lower lobe/left",
    "Atelectasis": "Pulmonary Atelectasis/base/left",
    "Pneumothorax": "Pneumothorax/right/small",
    "Pleural Effusion": "Pleural Effusion/left/small",
    "Support Devices": "Catheters, Indwelling/right",
}
EXTRA = (
    "Thickening/pleura/apex/bilateral",
    "Thoracic vertebrae/degenerative/mild",
    "Cardiac Shadow/enlarged/borderline",
)


@dataclass(frozen=True)
class Picture:
    """One image of a report.

    Attributes:
        name: as `parentImage` has it, `CXR12_IM-0012-1001`.
        lateral: whether it is one.
        header_view: what its DICOM header calls it.
        pixels: uint8 (H, W).
    """

    name: str
    lateral: bool
    header_view: str
    pixels: np.ndarray


@dataclass(frozen=True)
class Report:
    """One report.

    Attributes:
        number: from 1.
        sections: of `SECTIONS`, empty where missing.
        descriptors: MeSH, as given by hand.
        named: findings that a labeler would name; none for some.
        pictures: its images; none for some.
        split: `train`, `val` or `test`, of those who split.
    """

    number: int
    sections: dict[str, str]
    descriptors: list[str]
    named: list[str]
    pictures: list[Picture]
    split: str


def draw_reports(patients: int, seed: int) -> list[Report]:
    """Every study of `patients` phantom patients (`FEWEST` at least), as a report of a patient of its own."""
    phantom = Phantom(patients=max(patients, FEWEST), seed=seed, resolution=RESOLUTION)
    rows = {row["study"]: row for row in reversed(phantom.table().to_pylist())}
    studies = [rows[name] for name in sorted(rows)]
    frontal, lateral = _pixels(phantom, [study["view"] for study in studies])
    return [_report(number, study, frontal[number - 1], lateral[number - 1]) for number, study in enumerate(studies, 1)]


def _pixels(phantom: Phantom, views: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Frontal and lateral radiograph of every study, (N, H, W) each; Open-I has a lateral far more often."""
    studies = draw_studies(phantom.seed, np.arange(phantom.patients))
    places = np.array([VIEWS.index(view) for view in views])
    pixels = []
    for wanted in (places, np.full_like(places, VIEWS.index(LATERAL))):
        chunks = [np.arange(start, min(start + CHUNK, len(places))) for start in range(0, len(places), CHUNK)]
        drawn = [render(draw_scene(phantom.seed, studies.take(rows), wanted[rows]), RESOLUTION) for rows in chunks]
        pixels.append(np.concatenate(drawn))
    return pixels[0], pixels[1]


def _report(number: int, study: dict, frontal: np.ndarray, lateral: np.ndarray) -> Report:
    sections = {name: study[TEXT_PREFIX + name] or "" for name in SECTIONS}
    if number % 3 == 0:
        sections = {name: _deidentified(text) for name, text in sections.items()}
    if number % 13 == 6:
        sections |= {"findings": "", "impression": ""}
    values = {label: study[LABEL_PREFIX + label] for label in LABELS}
    named = [label for label, value in values.items() if value in (1, -1)]
    if number % 10 == 2:  # as where a report tells of something that no label is for
        named = []
    split = SPLITS[(0, 2, 1, 0, 0)[(number - 1) % 5]]
    return Report(number, sections, _descriptors(number, values), named, _pictures(number, frontal, lateral), split)


def _deidentified(text: str) -> str:
    words = text.split()
    return " ".join([*words[:1], "XXXX", *words[2:]]) if len(words) > 1 else text


def _descriptors(number: int, values: dict[str, int | None]) -> list[str]:
    if number % 11 == 7:
        return ["No Indexing"]
    found = [DESCRIPTORS[label] for label, value in values.items() if value == 1 and label != "No Finding"]
    found += [f"{DESCRIPTORS[label].split('/')[0]}/borderline" for label, value in values.items() if value == -1]
    found += [EXTRA[number // 4 % len(EXTRA)]] if number % 4 == 0 else []
    return found or ["normal"]


def _pictures(number: int, frontal: np.ndarray, lateral: np.ndarray) -> list[Picture]:
    series = f"CXR{number}_IM-{number:04d}"
    if number == 1:  # the name of the first report's images repeats the number, and the lateral comes first
        return [
            Picture("CXR1_1_IM-0001-3001", True, "", lateral),
            Picture("CXR1_1_IM-0001-4001", False, "PA", frontal),
        ]
    front = Picture(f"{series}-1001", False, ("PA", "AP", "")[number % 3], frontal)
    side = Picture(f"{series}-2001", True, ("PA", "LL", "", "LATERAL", "RL", "LARGE LATERAL")[number % 6], lateral)
    if number % 10 == 4:
        return []
    if number % 10 == 9:
        return [Picture(f"{series}-1001", True, "LL", lateral)]  # a lateral alone, under the suffix that frontals have
    if number % 7 == 0:
        return [front, side, Picture(f"{series}-1001-0001", False, "", frontal)]
    return [front] if number % 10 == 8 else [front, side]
