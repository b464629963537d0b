"""What the Shenzhen and Montgomery sets of the National Library of Medicine share: names, labels, readings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import AGE, IMAGE, LABEL_PREFIX, PATIENT, SEX, STUDY, TEXT_PREFIX, VIEW
from medvl.data.source import Source
from medvl.datasets.image_files import ImageFiles
from medvl.datasets.tuberculosis.readings import read_reading
from medvl.errors import DataError

TUBERCULOSIS = "Tuberculosis"
IMAGES, READINGS = "CXR_png", "ClinicalReadings"
DEMOGRAPHICS, READING = "demographics", "reading"
WHERE = "https://data.lhncbc.nlm.nih.gov/public/Tuberculosis-Chest-X-ray-Datasets: {name}"


class NlmTuberculosis(ImageFiles):
    """A folder `CXR_png` whose file names end in the label: `MCUCXR_0104_1.png` shows tuberculosis, `..._0.png` none.

    Jaeger et al. 2014, "Two public chest X-ray datasets for computer-aided screening of pulmonary diseases".

    Traps, and what this reader does:
        - The label is the last digit of the name; the number before it says nothing.
        - `Thumbs.db` and other files that are no PNG lie among the images; they are passed over.
        - `ClinicalReadings/<stem>.txt` says sex and age, then the reading, in ways that vary (`nlm_readings`); it may
          be missing, and the reading, too. Section `demographics` is made anew (`female, 27 years`); section `reading`
          is what the radiologist concluded, **which is the label in words** (`normal`, `PTB in the right upper
          field`): as a model's text it makes the task trivial.
        - The sets have no split of their own, and one image a patient.
        - TBX11K holds these images, too: do not train on one and test on the other.

    Attributes:
        prefix: what all image names start with.
        collection: the set's folder, as its owner names it.
        view: the view of all images, where the owner states it.
    """

    labels = (TUBERCULOSIS,)
    sections = (DEMOGRAPHICS, READING)
    labels_from = (READING,)  # the label in words
    prefix: str
    collection: str
    view: str | None = None

    def build_table(self) -> pa.Table:
        """See `ImageFiles.build_table`."""
        stems = pa.array(self._stems, pa.string())
        parts = pc.extract_regex(stems, pattern=rf"^(?P<patient>{self.prefix}_\d+)_(?P<label>[01])$")
        if parts.null_count:
            wrong = self._stems[pc.index(pc.is_null(parts), True).as_py()]
            raise DataError(
                f"{self.root / IMAGES}: {parts.null_count} images are not named as {self.prefix}_0001_0.png, first "
                f"'{wrong}.png'; their last digit is the label. do: check the folder, or take those images out"
            )
        patient = pc.struct_field(parts, "patient")
        texts = [read_reading(self.root / READINGS / f"{stem}.txt") for stem in self._stems]
        return pa.table(
            {
                IMAGE: pc.binary_join_element_wise(f"{IMAGES}/", stems, ".png", ""),
                PATIENT: patient,
                STUDY: patient,
                VIEW: pa.repeat(pa.scalar(self.view, pa.string()), len(stems)),
                AGE: pa.array([text.age for text in texts], pa.int16()),
                SEX: pa.array([text.sex for text in texts], pa.string()),
                TEXT_PREFIX + DEMOGRAPHICS: pa.array([text.demographics for text in texts], pa.string()),
                TEXT_PREFIX + READING: pa.array([text.reading for text in texts], pa.string()),
                LABEL_PREFIX + TUBERCULOSIS: pc.struct_field(parts, "label").cast(pa.int8()),
            }
        )

    @cached_property
    def _stems(self) -> list[str]:
        folder = self.root / IMAGES
        if not folder.is_dir():
            raise DataError(f"{folder}: there is no such folder. do: get it from {WHERE.format(name=self.collection)}")
        stems = sorted(path.stem for path in folder.iterdir() if re.fullmatch(r"[^.].*\.png", path.name))
        if not stems:
            raise DataError(f"{folder}: holds no .png. do: get it from {WHERE.format(name=self.collection)}")
        return stems

    def index_files(self) -> Sequence[Path]:
        """See `ImageFiles.index_files`."""
        readings = [self.root / READINGS / f"{stem}.txt" for stem in self._stems]
        return [self.root / IMAGES, *readings]

    def settings(self) -> tuple[object, ...]:
        """See `ImageFiles.settings`."""
        return (self.prefix,)

    def sources(self) -> list[Source]:
        """See `Dataset.sources`."""
        where = WHERE.format(name=self.collection)
        return [
            Source(self.root / IMAGES, "the radiographs, PNG, named by label", where),
            Source(self.root / READINGS, "sex, age and reading, a text a radiograph", where, needed=False),
        ]
