"""`shenzhen`: the Shenzhen Hospital chest X-ray set (NLM)."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import pyarrow as pa

from medvl.data.dataset import LABEL_PREFIX, PATIENT, SPLIT, SPLITS
from medvl.data.keyed_hash import keyed_hashes
from medvl.data.patients import patients_of
from medvl.datasets.tuberculosis.release import TUBERCULOSIS, NlmTuberculosis

VAL_SHARE, TEST_SHARE = 0.15, 0.20  # MoCo-CXR, moco_pretraining/scripts/shenzhen_mutiple_split.py


class Shenzhen(NlmTuberculosis):
    """662 frontal radiographs of Shenzhen No. 3 Hospital, 326 normal and 336 with tuberculosis.

    About 3,000 x 3,000 pixels; PNGs may have a palette. Licence: free for research and education, to be cited (Jaeger
    et al. 2014). See `NlmTuberculosis` for the traps.

    Args:
        root: the folder `ChinaSet_AllFiles`, which holds `CXR_png`, and perhaps `ClinicalReadings`.
        protocol: `official`: no split; `moco_cxr`: 65 % of the patients to learn from, 15 % for validation and 20 % to
            test on, the shares of Sowrirajan et al. 2021 (MoCo-CXR). Their draws are not published; their script draws
            again until normal and tuberculous images balance, which drawing from each class apart gives at once.
        draw: number of the `moco_cxr` draw.
    """

    prefix = "CHNCXR"
    collection = "Shenzhen-Hospital-CXR-Set/ChinaSet_AllFiles"
    official = MappingProxyType({"images": 662, "patients": 662})
    expectations = MappingProxyType({"moco_cxr": MappingProxyType({"train": 431, "val": 99, "test": 132})})
    fake = "medvl.datasets.fakes.shenzhen:write"

    def __init__(self, *, root: Path, protocol: Literal["official", "moco_cxr"] = "official", draw: int = 0) -> None:
        self.root = Path(root)
        self._protocol, self._draw = protocol, draw

    def build_table(self) -> pa.Table:
        """See `ImageFiles.build_table`."""
        table = super().build_table()
        if self._protocol == "official":
            return table
        splits = _drawn(table, self._draw)
        names = pa.array(SPLITS).take(pa.array(splits))
        return table.add_column(table.column_names.index(PATIENT) + 3, SPLIT, names)

    def settings(self) -> tuple[object, ...]:
        """See `ImageFiles.settings`."""
        return *super().settings(), self._protocol, self._draw


def _drawn(table: pa.Table, draw: int) -> np.ndarray:
    """(N,) places in `SPLITS`: by a hash of the patient the first of each class are for testing, then validation."""
    codes, ids = patients_of(table)
    hashes = keyed_hashes(ids, draw, "shenzhen moco_cxr")[codes]
    sick = np.asarray(table.column(LABEL_PREFIX + TUBERCULOSIS)) == 1
    splits = np.full(len(codes), SPLITS.index("train"))
    for rows in (np.flatnonzero(sick), np.flatnonzero(~sick)):
        ordered = rows[np.argsort(hashes[rows], kind="stable")]
        test, val = round(TEST_SHARE * len(rows)), round(VAL_SHARE * len(rows))
        splits[ordered[:test]] = SPLITS.index("test")
        splits[ordered[test : test + val]] = SPLITS.index("val")
    return splits
