"""The phantom: synthetic chest radiographs with reports, labels, boxes, masks and questions, from no file at all."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medvl.data.dataset import (
    BOXES,
    IMAGE,
    LABEL_PREFIX,
    PATIENT,
    QUESTIONS,
    SPLIT,
    SPLITS,
    STUDY,
    TEXT_PREFIX,
    VIEW,
    Dataset,
)
from medvl.datasets.phantom import places
from medvl.datasets.phantom.cases import LABELS, MAX_STUDIES, Studies, draw_studies, label_values
from medvl.datasets.phantom.questions import write_questions
from medvl.datasets.phantom.render import AP, LATERAL, PA, VIEWS, Scene, draw_scene, render
from medvl.datasets.phantom.reports import SECTIONS, write_reports
from medvl.datasets.phantom.sites import SITES, SiteName
from medvl.errors import ConfigError, DataError, unknown

_REFERENCE = re.compile(r"phantom/(\d{6,})/s(\d\d)/(PA|AP|LATERAL)")
_QUESTION = pa.struct([(name, pa.string()) for name in ("question", "answer", "kind")])
_CHUNK = 8  # radiographs drawn at once: their layers stay in a core's cache


class Phantom(Dataset):
    """Deterministic synthetic chest radiographs; patient k is the same whatever `patients` is.

    Image and indication each carry what the other lacks: an opacity's cause (pneumonia, atelectasis, ...) is told
    by the indication alone, its presence by the image alone. Heart size, effusions, pneumothoraces and devices are
    seen only. `label.X` is 1, 0 (denied), -1 (hedged; seen, faint or of doubtful cause) or null (not mentioned);
    `No Finding` is 1 or null, as CheXpert has it. Boxes and masks mark whatever is labelled 1 or -1 and has a place.

    Args:
        patients: how many; each has one to three studies, of one or two images.
        seed: of everything drawn.
        resolution: side of the radiographs in pixels, 16 to 2048.
        site: the hospital. `b` is out of distribution for what was learnt at `a`: other patients, prevalences and
            share of AP views, another projection, a softer and noisier detector, another display curve. Labels
            mean the same, and boxes and masks follow the projection.

    Raises:
        ConfigError: a parameter is out of range.
    """

    labels = LABELS
    sections = SECTIONS
    labels_from = ("findings", "impression")
    asks = True
    masks = LABELS[1:]  # no finding has no place
    smoke = MappingProxyType({"patients": 40, "resolution": 64})

    def __init__(self, *, patients: int = 2000, seed: int = 0, resolution: int = 128, site: SiteName = "a"):
        problems = []
        if patients < 1:
            problems.append(f"phantom: patients is {patients}; it must be at least 1")
        if not 16 <= resolution <= 2048:
            problems.append(f"phantom: resolution is {resolution}; it must be from 16 to 2048 pixels")
        if not -(2**63) <= seed < 2**63:
            problems.append(f"phantom: seed is {seed}; it must fit in 64 bits")
        if site not in SITES:
            problems.append(f"phantom: {unknown('site', site, SITES)}")
        if problems:
            raise ConfigError(problems)
        self.patients = patients
        self.seed = seed
        self.resolution = resolution
        self.site = SITES[site]

    def table(self) -> pa.Table:
        """The canonical study table (see `medvl.Dataset`), patient by patient, a study's front view first."""
        by_study = draw_studies(self.seed, np.arange(self.patients), self.site)
        values = label_values(by_study)
        reports = write_reports(self.site.mixed(self.seed), by_study, values)
        rows = np.repeat(np.arange(len(by_study)), 1 + by_study.lateral)
        studies = by_study.take(rows)
        second = np.concatenate([[False], rows[1:] == rows[:-1]])
        front = np.where(studies.anteroposterior, VIEWS.index(AP), VIEWS.index(PA))
        views = np.where(second, VIEWS.index(LATERAL), front)

        columns: dict[str, pa.Array] = _names(studies, views)
        take = pa.array(rows)
        for section, texts in reports.sections.items():
            columns[TEXT_PREFIX + section] = pa.array(texts, pa.string()).take(take)
        for label in LABELS:
            told = values[label] != 0
            if label in reports.denied:
                told = told | reports.denied[label]
            columns[LABEL_PREFIX + label] = pa.array(values[label], pa.int8(), mask=~told).take(take)
        columns[BOXES] = self._boxes(studies, views)
        columns[QUESTIONS] = pa.array(write_questions(self.site.mixed(self.seed), studies, views), pa.list_(_QUESTION))
        return pa.table(columns)

    def read_image(self, reference: str) -> npt.NDArray[np.uint8]:
        """The radiograph, (resolution, resolution) uint8.

        Raises:
            DataError: no such image.
        """
        image = self.read_images([reference])[0]
        if isinstance(image, Exception):
            raise image
        return image

    def read_images(self, references: list[str]) -> list[np.ndarray | Exception]:
        """Several radiographs; each has the same pixels in any company."""
        studies, views = self._find(references)
        images: list[np.ndarray | Exception] = [self._missing(reference) for reference in references]
        for rows in _chunks(views):
            pixels = render(self._scene(studies.take(rows), views[rows]), self.resolution)
            for row, one in zip(rows, pixels, strict=True):
                images[row] = one
        return images

    def read_mask(self, reference: str, label: str) -> npt.NDArray[np.bool_]:
        """(resolution, resolution) True where the finding stands; all False where it is absent or has no place.

        Raises:
            DataError: no such image, or no such label.
        """
        return self.read_masks([reference], label)[0]

    def read_masks(self, references: list[str], label: str) -> list[np.ndarray]:
        """Several masks of one finding; see `read_mask`."""
        if label not in LABELS:
            raise DataError(f"phantom: {unknown('label', label, LABELS)}")
        studies, views = self._find(references)
        for reference in np.array(references, object)[views < 0]:
            raise self._missing(reference)
        masks = np.zeros((len(references), self.resolution, self.resolution), bool)
        for rows in _chunks(views):
            of_rows = studies.take(rows)
            masks[rows] = places.mask(self._scene(of_rows, views[rows]), of_rows, label, self.resolution)
        return list(masks)

    def fingerprint(self) -> str:
        """A hash of the parameters and of the drawing code itself."""
        code = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
        asked = f"{self.patients} {self.seed} {self.resolution} {self.site.people} ".encode()
        return hashlib.sha256(asked + code).hexdigest()[:16]

    def _scene(self, studies: Studies, views: npt.NDArray[np.int64]) -> Scene:
        return draw_scene(self.seed, studies, views, self.site)

    def _boxes(self, studies: Studies, views: npt.NDArray[np.int64]) -> pa.ListArray:
        parts = []
        for lateral in (False, True):
            kind = np.flatnonzero((views == VIEWS.index(LATERAL)) == lateral)
            chosen = studies.take(kind)
            image, label, corners = places.boxes(self._scene(chosen, views[kind]), chosen)
            parts.append((kind[image], label, corners))
        image, label, corners = (np.concatenate(column) for column in zip(*parts, strict=True))
        return places.box_column(len(studies), image, label, corners)

    def _find(self, references: list[str]) -> tuple[Studies, npt.NDArray[np.int64]]:
        """Per reference: its study, and its view (index into `VIEWS`, -1 where there is no such image)."""
        parsed = [_REFERENCE.fullmatch(reference) for reference in references]
        wanted = np.array(
            [(int(m[1]), int(m[2]), VIEWS.index(m[3])) if m else (-1, 0, 0) for m in parsed], dtype=np.int64
        )
        wanted = wanted.reshape(-1, 3)
        known = (wanted[:, 0] >= 0) & (wanted[:, 0] < self.patients)
        studies = draw_studies(self.seed, np.unique(np.append(wanted[known, 0], 0)), self.site)
        place = studies.patient * (MAX_STUDIES + 1) + studies.study
        sought = wanted[:, 0] * (MAX_STUDIES + 1) + np.minimum(wanted[:, 1], MAX_STUDIES)
        row = np.minimum(np.searchsorted(place, sought), len(place) - 1)
        found = studies.take(row)
        front = np.where(found.anteroposterior, VIEWS.index(AP), VIEWS.index(PA))
        exists = np.where(wanted[:, 2] == VIEWS.index(LATERAL), found.lateral, wanted[:, 2] == front)
        exists &= known & (found.patient == wanted[:, 0]) & (found.study == wanted[:, 1])
        return found, np.where(exists, wanted[:, 2], -1)

    def _missing(self, reference: str) -> DataError:
        return DataError(
            f"phantom: no image '{reference}' among {self.patients} patients (seed {self.seed}). "
            "do: take a reference from the table's 'image' column, such as 'phantom/000000/s01/PA'"
        )


def _chunks(views: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    """Places of images that are drawn together: of one kind of view, `_CHUNK` at a time; those of no view left out."""
    for lateral in (False, True):
        kind = np.flatnonzero((views >= 0) & ((views == VIEWS.index(LATERAL)) == lateral))
        for start in range(0, len(kind), _CHUNK):
            yield kind[start : start + _CHUNK]


def _names(studies: Studies, views: npt.NDArray[np.int64]) -> dict[str, pa.Array]:
    """The columns that say which image this is."""
    rows = list(zip(studies.patient.tolist(), studies.study.tolist(), views.tolist(), strict=True))
    return {
        IMAGE: pa.array([f"phantom/{patient:06d}/s{study:02d}/{VIEWS[view]}" for patient, study, view in rows]),
        PATIENT: pa.array([f"{patient:06d}" for patient, _, _ in rows]),
        STUDY: pa.array([f"{patient:06d}/s{study:02d}" for patient, study, _ in rows]),
        VIEW: pa.array([VIEWS[view] for _, _, view in rows]),
        SPLIT: pa.array([SPLITS[split] for split in studies.split.tolist()]),
    }
