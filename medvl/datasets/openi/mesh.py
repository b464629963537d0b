"""Labels of Open-I reports: MeSH descriptors that its indexers gave by hand, as columns.

A descriptor is a heading and qualifiers, `Cardiomegaly/mild`, `Thickening/pleura/apex/bilateral`. The indexers coded
whatever a report calls abnormal (Demner-Fushman et al. 2016, "Preparing a collection of radiology examinations for
distribution and retrieval", JAMIA 23(2)), and `normal` where it calls nothing so. Hence of an indexed report a label is
1 where one of its descriptors is there, -1 where each that is there says `borderline`, and else 0; a report that was
not indexed (`No Indexing`) has none.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import LABEL_PREFIX

LabelSet = Literal["chexpert", "mesh"]

NORMAL, NOT_INDEXED, UNCERTAIN = "normal", "no indexing", "borderline"
NO_FINDING = "No Finding"

# CheXpert's findings in the order of its train.csv, and the descriptors that say what its labeler's phrases say
# (Irvin et al. 2019). `heading/qualifier` asks for the qualifier too.
CHEXPERT: dict[str, tuple[str, ...]] = {
    NO_FINDING: (NORMAL,),
    "Enlarged Cardiomediastinum": ("Mediastinum/prominent",),
    "Cardiomegaly": ("Cardiomegaly", "Cardiac Shadow/enlarged"),
    "Lung Opacity": ("Opacity", "Airspace Disease", "Infiltrate", "Density/lung", "Markings/interstitial"),
    "Lung Lesion": ("Nodule", "Mass"),
    "Edema": ("Pulmonary Edema", "Pulmonary Congestion", "Heart Failure"),
    "Consolidation": ("Consolidation",),
    "Pneumonia": ("Pneumonia",),
    "Atelectasis": ("Pulmonary Atelectasis",),
    "Pneumothorax": ("Pneumothorax", "Hydropneumothorax", "Hemopneumothorax"),
    "Pleural Effusion": ("Pleural Effusion", "Hydropneumothorax", "Hemothorax", "Hemopneumothorax"),
    "Pleural Other": ("Thickening/pleura", "Pleura"),
    "Fracture": ("Fractures, Bone",),
    "Support Devices": ("Catheters, Indwelling", "Implanted Medical Device", "Medical Device", "Tube, Inserted"),
}

# Every heading that 40 or more of the 3,955 reports have, under its own name.
HEADINGS = (
    "Lung", "Opacity", "Cardiomegaly", "Pulmonary Atelectasis", "Calcinosis", "Calcified Granuloma",
    "Thoracic Vertebrae", "Cicatrix", "Spine", "Aorta", "Markings", "Pleural Effusion", "Diaphragm", "Atherosclerosis",
    "Catheters, Indwelling", "Airspace Disease", "Density", "Deformity", "Granulomatous Disease", "Nodule",
    "Implanted Medical Device", "Surgical Instruments", "Scoliosis", "Aorta, Thoracic",
    "Technical Quality of Image Unsatisfactory", "Fractures, Bone", "Costophrenic Angle", "Pulmonary Congestion",
    "Osteophyte", "Infiltrate", "Spondylosis", "Emphysema", "Cardiac Shadow", "Thickening", "Granuloma",
    "Pulmonary Disease, Chronic Obstructive", "Hernia, Hiatal", "Pulmonary Edema", "Pneumonia",
)  # fmt: skip

MESH: dict[str, tuple[str, ...]] = {NO_FINDING: (NORMAL,), **{heading: (heading,) for heading in HEADINGS}}
LABEL_SETS: dict[LabelSet, dict[str, tuple[str, ...]]] = {"chexpert": CHEXPERT, "mesh": MESH}

_ABSENT, _BORDERLINE, _PRESENT = 0, 1, 2  # in order of what wins where a report has several descriptors


def mesh_labels(descriptors: pa.ListArray, label_set: LabelSet) -> dict[str, pa.Array]:
    """Label columns of reports.

    Args:
        descriptors: (N,) each report's descriptors; upper and lower case count the same.
        label_set: `chexpert` or `mesh`.

    Returns:
        `label.NAME` -> (N,) int8: 1, 0, -1, or null where the report was not indexed.
    """
    rules = LABEL_SETS[label_set]
    coded = pc.list_flatten(descriptors).dictionary_encode()
    known = [_parts(descriptor) for descriptor in coded.dictionary.to_pylist()]
    said = np.array([[_says(parts, rule) for rule in rules.values()] for parts in known], np.int8)
    says_much = np.array([bool(parts[0]) and parts[0] != NOT_INDEXED for parts in known], bool)

    report, code = np.asarray(pc.list_parent_indices(descriptors)), np.asarray(coded.indices)
    strongest = np.zeros((len(descriptors), len(rules)), np.int8)
    indexed = np.zeros(len(descriptors), bool)
    if len(code):
        np.maximum.at(strongest, report, said[code])
        indexed[report[says_much[code]]] = True
    values = np.array([0, -1, 1], np.int8)[strongest]  # (N, K), of absent, borderline, present
    return {LABEL_PREFIX + name: pa.array(values[:, k], pa.int8(), mask=~indexed) for k, name in enumerate(rules)}


def _parts(descriptor: str) -> list[str]:
    return [part.strip().lower() for part in descriptor.split("/")]


def _says(parts: list[str], rule: tuple[str, ...]) -> int:
    """What a descriptor says of a label."""
    for heading, *qualifiers in map(_parts, rule):
        if parts[0] == heading and set(qualifiers) <= set(parts[1:]):
            return _BORDERLINE if UNCERTAIN in parts[1:] else _PRESENT
    return _ABSENT
