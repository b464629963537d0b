"""Which images of MIMIC-CXR the papers take, and how many they count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import STUDY, TEXT_PREFIX
from medvl.data.patients import codes_of


@dataclass(frozen=True)
class Cohort:
    """One image of each study that has a view and a text.

    Attributes:
        images: how many the paper counts in train, val and test.
        positions: the views taken, as ViewPosition has them.
        texts: sections of which a study needs one that is not blank.
        labelled: whether a study needs a row in the label file.
    """

    images: dict[str, int]
    positions: tuple[str, ...]
    texts: tuple[str, ...]
    labelled: bool = False

    def rows(self, table: pa.Table, position: pa.ChunkedArray, labelled: np.ndarray) -> np.ndarray:
        """Row numbers of the cohort, ascending: of each study the first image that fits.

        Args:
            table: the study table of all images.
            position: ViewPosition of each row.
            labelled: (N,) bool, whether its study has labels.
        """
        fits = np.asarray(pc.is_in(position, pa.array(self.positions)))
        fits &= np.logical_or.reduce([np.asarray(pc.is_valid(table.column(TEXT_PREFIX + name))) for name in self.texts])
        if self.labelled:
            fits &= labelled
        rows = np.flatnonzero(fits)
        _, first = np.unique(codes_of(table.column(STUDY))[0][rows], return_index=True)
        return np.sort(rows[first])


# Dalla Serra et al. 2022 take their data as Jacenkow et al. 2022 do, whose list names one image a study by the study's
# number. 213,365 / 1,733 / 3,041 studies have an AP or PA image, so 96 to 98 % are left, which is the share of reports
# with an indication or a history. Which image stands for a study of several is not said.
MMBT = Cohort({"train": 208_794, "val": 1_695, "test": 2_920}, ("AP", "PA"), ("indication",), labelled=True)

# Moon et al. 2022: "unique study of 91,685 AP view image and associated report pairs", the report being the longer of
# findings and impression. What else was left out to come down to that number is not said.
MEDVILL = Cohort({"train": 89_395, "val": 759, "test": 1_531}, ("AP",), ("findings", "impression"))

COHORTS = {"mmbt": MMBT, "medvill": MEDVILL}
