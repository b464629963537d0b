"""`covid19_image_collection`: the COVID-19 Image Data Collection (Cohen et al.), any release."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import AGE, IMAGE, LABEL_PREFIX, PATIENT, SEX, SPLIT, SPLITS, STUDY, TEXT_PREFIX, VIEW
from medvl.data.source import Source
from medvl.datasets.ages import ages_of_cells, sexes_of_cells
from medvl.datasets.covid19_image_collection.findings import (
    ARDS,
    BACTERIAL,
    COVID,
    FINDINGS,
    PNEUMONIA,
    VIRAL,
    finding_states,
)
from medvl.datasets.covid19_image_collection.metadata import IMAGES, radiographs, read_metadata
from medvl.datasets.image_files import ImageFiles
from medvl.datasets.labelled_lists import read_lists
from medvl.errors import ConfigError, DataError

COLLECTION = "https://github.com/ieee8023/covid-chestxray-dataset"
LISTS = "https://github.com/RL4M/MRM-pytorch: DatasetsSplits/COVID-19_Image_Data_Collection"
NOTES = "clinical_notes"
LABELS = {"findings": FINDINGS, "covid": (COVID,), "viral": (VIRAL,)}
LIST_LABELS = {"0": 0, "1": 1, "11": 1}  # the last is a slip of one line of viral1/isviral_test.txt


class Covid19ImageCollection(ImageFiles):
    """Radiographs of COVID-19 and other pneumonias, gathered from publications and web pages, with clinical notes.

    Cohen et al. 2020, "COVID-19 Image Data Collection: Prospective Predictions Are the Future". Licence: each image has
    its own (column `license`, blank for about half of them), which stays in `metadata.csv`: ask there before passing
    images on.

    Traps, and what this reader does:
        - Columns and findings are spelled differently in each release (`covid19_metadata`, `covid19_findings`); rows
          whose finding is blank, `todo` or `Unknown` are left out.
        - CT slices lie among the radiographs, volumes beside them: X-rays alone are taken.
        - File names have many dots, and suffixes in either case (`.PNG`, `.JPG`, `.jpeg`), at times not that of the
          file itself: names are matched without regard to case.
        - A patient has several images with the same notes: splits go by patient, retrieval has equal texts.
        - About a quarter of the COVID patients' notes contain `COVID` or `coronavirus`: **section `clinical_notes`
          tells the label**, and a model that reads it need not look.
        - Nearly all images are of sick people, from many sources: a classifier may learn the source.
        - A file that is listed twice counts once, with its first row.
        - The fork `dhruv-varshney` has words replaced throughout, and must not be used.

    Args:
        root: the repository's folder: `metadata.csv` and `images/`.
        task: `findings`: all of `covid19_findings.FINDINGS`; `covid`: COVID-19 against other pneumonias and ARDS;
            `viral`: viral against bacterial pneumonia. The latter two are MRM's (Zhou et al. 2023), and leave out
            images of which the answer is not known.
        protocol: `official`: all images, no split; `mrm`: the lists of MRM, with their labels.
        lists: folder of MRM's lists, one of `covid1` to `covid5` or `viral1` to `viral5`; `root / "mrm" / "covid1"` or
            `"viral1"` where None.
        encoding: of `metadata.csv`.

    Raises:
        ConfigError: MRM's lists for `findings`.
    """

    sections = (NOTES,)
    fake = "medvl.datasets.fakes.covid19_image_collection:write"
    smoke = MappingProxyType({"protocol": "official"})  # no published list names a miniature's images

    def __init__(
        self,
        *,
        root: Path,
        task: Literal["findings", "covid", "viral"] = "findings",
        protocol: Literal["official", "mrm"] = "official",
        lists: Path | None = None,
        encoding: str = "utf-8",
    ) -> None:
        self.root = Path(root)
        self._task, self._protocol, self._encoding = task, protocol, encoding
        self._metadata = self.root / "metadata.csv"
        folder = Path(lists) if lists is not None else self.root / "mrm" / f"{task}1"
        self._lists = {split: folder / f"is{task}_{split}.txt" for split in SPLITS} if protocol == "mrm" else {}
        self.labels = LABELS[task]
        if protocol == "mrm" and task == "findings":
            raise ConfigError("covid19_image_collection: MRM's lists have no task 'findings'. do: take covid or viral")

    def build_table(self) -> pa.Table:
        """See `ImageFiles.build_table`."""
        if not self._metadata.is_file():
            raise DataError(f"{self._metadata}: there is no such file. do: clone {COLLECTION}")
        metadata = read_metadata(self._metadata, self._encoding)
        return self._listed(metadata) if self._protocol == "mrm" else self._collected(metadata)

    def _collected(self, metadata: pa.Table) -> pa.Table:
        """The rows of the metadata that the task asks about."""
        decided, states = finding_states(metadata.column("finding"))
        kept = decided & radiographs(metadata) & _of_task(self._task, states)
        if not kept.any():
            raise DataError(f"{self._metadata}: no row is a radiograph with a finding of task '{self._task}'")
        rows = pa.array(np.flatnonzero(kept))
        columns = self._described(metadata.take(rows))
        return pa.table(columns | {LABEL_PREFIX + name: states[name].take(rows) for name in self.labels})

    def _listed(self, metadata: pa.Table) -> pa.Table:
        """The images of MRM's lists; one that the metadata does not know is a patient of its own."""
        lists = read_lists(self._lists, LIST_LABELS)
        names = lists.column("name")
        rows = pc.index_in(pc.utf8_lower(names), pc.utf8_lower(metadata.column("filename")))
        told = metadata.take(rows)
        told = told.set_column(told.column_names.index("filename"), "filename", names)
        for name, instead in (("patientid", names), ("folder", pa.scalar(IMAGES))):
            place = told.column_names.index(name)
            told = told.set_column(place, name, pc.coalesce(told.column(name), instead))
        columns = self._described(told) | {SPLIT: lists.column("split")}
        return pa.table(columns | {LABEL_PREFIX + self.labels[0]: lists.column("label")})

    def _described(self, rows: pa.Table) -> dict[str, pa.ChunkedArray]:
        """Every column but split and labels."""
        patient, name = rows.column("patientid"), rows.column("filename")
        visit = pc.coalesce(rows.column("offset"), name)  # images of one day are one study
        return {
            IMAGE: pc.binary_join_element_wise(rows.column("folder"), self._on_disk(name), "/"),
            PATIENT: patient,
            STUDY: pc.binary_join_element_wise(patient, visit, "/"),
            VIEW: rows.column("view"),
            AGE: ages_of_cells(rows.column("age")),
            SEX: sexes_of_cells(rows.column("sex")),
            TEXT_PREFIX + NOTES: rows.column("clinical_notes"),
        }

    def _on_disk(self, names: pa.ChunkedArray) -> pa.ChunkedArray:
        """Each name as the folder has it: exactly, else in other case, else unchanged (and then it is missing)."""
        exact = pc.is_in(names, self._files)
        other = self._files.take(pc.index_in(pc.utf8_lower(names), pc.utf8_lower(self._files)))
        return pc.if_else(exact, names, pc.coalesce(other, names))

    @cached_property
    def _files(self) -> pa.Array:
        folder = self.root / IMAGES
        return pa.array(sorted(path.name for path in folder.iterdir()) if folder.is_dir() else [], pa.string())

    def index_files(self) -> Sequence[Path]:
        """See `ImageFiles.index_files`."""
        return [self._metadata, self.root / IMAGES, *self._lists.values()]

    def settings(self) -> tuple[object, ...]:
        """See `ImageFiles.settings`."""
        return self._task, self._protocol, self._encoding

    def sources(self) -> list[Source]:
        """See `Dataset.sources`."""
        return [
            Source(self._metadata, "patients, findings, notes", f"clone {COLLECTION}"),
            Source(self.root / IMAGES, "the radiographs, JPEG and PNG", f"clone {COLLECTION}"),
            *(Source(path, f"MRM's images for {split}", LISTS) for split, path in self._lists.items()),
        ]


def _of_task(task: str, states: dict[str, pa.Array]) -> np.ndarray:
    """(N,) bool: the rows that a task asks about."""

    def present(name: str) -> np.ndarray:
        return np.asarray(pc.fill_null(states[name], 0)) == 1

    if task == "covid":
        return (present(PNEUMONIA) | present(ARDS)) & np.asarray(pc.is_valid(states[COVID]))
    if task == "viral":
        return present(VIRAL) | present(BACTERIAL)
    return np.array(True)
