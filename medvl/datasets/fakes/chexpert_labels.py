"""CheXpert's fourteen labels for phantom studies, which have ten of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import LABEL_PREFIX
from medvl.data.patients import patients_of
from medvl.datasets.chexpert.cells import LABELS
from medvl.datasets.phantom.cases import LABELS as DRAWN

BLANK = 2  # stands for null beside -1, 0, 1
_OPACITIES = ("Lung Lesion", "Edema", "Consolidation", "Pneumonia", "Atelectasis")


def fourteen_labels(table: pa.Table) -> dict[str, np.ndarray]:
    """Label -> (N,) int8 with 1, 0, -1 and `BLANK`, in CheXpert's order; equal on all images of a study.

    An opacity of any name is a Lung Opacity, a large heart may enlarge the mediastinum, and a few patients have
    fractures and other pleural findings, which leave no trace in the image. `No Finding` is 1 or blank, by the
    labeler's rule: 1 where nothing but devices is present or uncertain.

    Args:
        table: the phantom's study table, or rows of it.
    """
    values = {name: np.asarray(pc.fill_null(table.column(LABEL_PREFIX + name), BLANK)) for name in DRAWN}
    patient = patients_of(table)[0]
    values["Lung Opacity"] = _any([values[name] for name in _OPACITIES])
    values["Enlarged Cardiomediastinum"] = np.where(patient % 2, values["Cardiomegaly"], np.int8(BLANK))
    values["Pleural Other"] = _sprinkled(patient, 13, {2: 1, 6: -1, 9: 0})
    values["Fracture"] = _sprinkled(patient, 11, {3: 1, 5: -1, 8: 0})
    others = [values[name] for name in LABELS if name not in ("No Finding", "Support Devices")]
    found = np.any([(value == 1) | (value == -1) for value in others], axis=0)
    values["No Finding"] = np.where(found, BLANK, 1)
    return {name: values[name].astype(np.int8) for name in LABELS}


def _any(columns: list[np.ndarray]) -> np.ndarray:
    """Present beats uncertain beats blank; nobody denies an opacity in general."""
    present, uncertain = (np.any([column == value for column in columns], axis=0) for value in (1, -1))
    return np.where(present, 1, np.where(uncertain, -1, BLANK))


def _sprinkled(patient: np.ndarray, every: int, values: dict[int, int]) -> np.ndarray:
    """One of `values` for patients whose number leaves that remainder, blank for the others."""
    table = np.full(every, BLANK)
    table[list(values)] = list(values.values())
    return table[patient % every]
