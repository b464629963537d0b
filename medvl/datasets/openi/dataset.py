"""`openi`: the Indiana University chest X-ray collection, as the NLM, Kaggle, R2Gen and MedViLL give it out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import get_args

import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import IMAGE, LABEL_PREFIX, PATIENT, SPLIT, STUDY, TEXT_PREFIX, VIEW
from medvl.data.source import Source
from medvl.datasets.image_files import ImageFiles
from medvl.datasets.openi.lists import read_kaggle, read_medvill, read_r2gen
from medvl.datasets.openi.mesh import CHEXPERT, LABEL_SETS, LabelSet, mesh_labels
from medvl.datasets.openi.sources import (
    ANNOTATION,
    HEADERS,
    IMAGES,
    KAGGLE_REPORTS,
    MEDVILL_FOLDER,
    OFFICIAL,
    PROJECTIONS,
    REPORTS,
    SPLITS,
    Release,
    image_source,
    index_sources,
)
from medvl.datasets.openi.views import image_key, images_in, views_of
from medvl.datasets.openi.xml import SECTIONS, Collection, read_xml, report_files
from medvl.errors import ConfigError, DataError, unknown

RELEASE_SECTIONS: dict[Release, tuple[str, ...]] = {
    "xml": SECTIONS, "kaggle": SECTIONS, "r2gen": ("findings",), "medvill": ("report",)
}  # fmt: skip


class Openi(ImageFiles):
    """Chest radiographs with reports of the Indiana University hospitals (Open-I, IU X-ray; CC BY-NC-ND 4.0).

    Demner-Fushman et al. 2016, JAMIA 23(2). Each report is of a patient of its own as far as anyone can tell, so its
    number is patient and study, in all releases. `XXXX` stands for what de-identification took out and is kept.

    The releases, and what each lays below `root`:

    - `xml`, the NLM's own: `ecgen-radiology/<n>.xml` and `NLMCXR_png/`, or `NLMCXR_dcm/` with `images: NLMCXR_dcm`.
      Sections are the abstract's four alone; 104 of the 3,955 reports have no image and so no row.
    - `kaggle`: `indiana_reports.csv`, `indiana_projections.csv`, `images/images_normalized/`.
    - `r2gen` (Chen et al. 2020): `annotation.json`, `images/`; two images a report, findings only, no labels, R2Gen's
      split, which others share. The entry's own `split` counts, not the key that it stands under.
    - `medvill` (Moon et al. 2022): `data/openi/{Train,Valid,Test}.jsonl`; one image a report, MedViLL's split. Its
      labels were mined from the very text of the section `report`, by the CheXpert labeler, uncertain and denied
      findings lost: 1 or 0.

    Labels of `xml` and `kaggle` come from the MeSH descriptors that people gave (`medvl.datasets.openi.mesh`); the ones
    that a program mined are left aside. `normal` is `No Finding`.

    The reports do not tell the view. `xml` and `kaggle` take it from Kaggle's `indiana_projections.csv` where that lies
    below `root`, and PA or AP from `nlmcxr_dicom_metadata.csv.gz`; without Kaggle's file laterals called PA stay PA
    (`medvl.datasets.openi.views`). Image names differ between those files and are matched.

    Args:
        root: the folder described above.
        release: which of the four.
        images: folder of the images below `root`; the release's usual one where None. Under `xml` it may hold PNG or
            DICOM, at any depth.
        label_set: of `xml` and `kaggle`: `chexpert`, CheXpert's 14 findings, or `mesh`, the MeSH headings that 40 or
            more reports have.

    Raises:
        ConfigError: an unknown release or label set.
    """

    fake = "medvl.datasets.fakes.openi:write"

    def __init__(
        self, *, root: Path, release: Release = "xml", images: str | None = None, label_set: LabelSet = "chexpert"
    ) -> None:
        problems = [] if release in IMAGES else [unknown("release", release, get_args(Release), "openi")]
        problems += [] if label_set in LABEL_SETS else [unknown("label_set", label_set, LABEL_SETS, "openi")]
        if not problems and release in SPLITS and label_set != "chexpert":
            problems.append(f"openi: release '{release}' has no MeSH descriptors. do: remove label_set")
        if problems:
            raise ConfigError(problems)
        self.root, self._release, self._label_set = Path(root), release, label_set
        self._images = IMAGES[release] if images is None else images
        self.sections = RELEASE_SECTIONS[release]
        by_release = {"r2gen": (), "medvill": tuple(CHEXPERT)}
        self.labels = by_release.get(release, tuple(LABEL_SETS[label_set]))
        # MeSH descriptors were given by people, but to what they read in the report
        self.labels_from = {"r2gen": (), "medvill": ("report",)}.get(release, ("findings", "impression"))
        self.official = MappingProxyType(OFFICIAL[release])
        self.expectations: Mapping[str, Mapping[str, int]] = MappingProxyType(
            {release: SPLITS[release]} if release in SPLITS else {}
        )

    def sources(self) -> list[Source]:
        """See `Dataset.sources`."""
        images = image_source(self._release, self.root / self._images)
        return [*index_sources(self._release, self.root), images]

    def index_files(self) -> list[Path]:
        """See `ImageFiles.index_files`."""
        listed = [source.path for source in index_sources(self._release, self.root)]
        return listed if self._release != "xml" else [*report_files(self.root / REPORTS), *listed[1:]]

    def settings(self) -> tuple[object, ...]:
        """See `ImageFiles.settings`."""
        return self._release, self._images, self._label_set

    def image_path(self, reference: str) -> Path:
        """See `ImageFiles.image_path`; a reference of `xml` is the image's name, `CXR12_IM-0160-1001`."""
        if self._release != "xml":
            return self.root / reference
        usual = self.root / self._images / f"{reference}.png"
        return usual if usual.is_file() else self._elsewhere.get(image_key(reference), usual)

    @cached_property
    def _elsewhere(self) -> dict[str, Path]:
        """What the folder of images holds under other names: DICOM, in folders, or Kaggle's PNG."""
        return images_in(self.root / self._images)

    def build_table(self) -> pa.Table:
        """See `ImageFiles.build_table`."""
        self._require_index()
        if self._release == "xml":
            collection = read_xml(report_files(self.root / REPORTS))
            return self._collected(collection, collection.images["image"])
        if self._release == "kaggle":
            collection = read_kaggle(self.root / KAGGLE_REPORTS, self.root / PROJECTIONS)
            return self._collected(collection, self._below(collection.images["image"]))
        if self._release == "r2gen":
            return self._listed(read_r2gen(self.root / ANNOTATION), {"findings": "findings"})
        return self._listed(read_medvill(self.root / MEDVILL_FOLDER), {"text": "report"})

    def _require_index(self) -> None:
        """Images may be missing here and there, and the store says so; without an index there is nothing to read."""
        for source in index_sources(self._release, self.root):
            empty = source.path.name == REPORTS and not report_files(source.path)
            if source.needed and (empty or not source.present):
                state = "holds no .xml" if source.present else "is missing"
                raise DataError(f"{source.path}: {state} ({source.what}). do: get it from {source.where}")

    def _collected(self, collection: Collection, references: pa.ChunkedArray) -> pa.Table:
        """The study table of reports and their images."""
        report, names = collection.images["report"], collection.images["image"]
        rows = pc.index_in(report, collection.reports["report"].combine_chunks())
        columns = {IMAGE: references, PATIENT: report, STUDY: report}
        columns[VIEW] = views_of(names, self.root / HEADERS, self.root / PROJECTIONS)
        columns |= {TEXT_PREFIX + name: collection.reports[name].take(rows) for name in SECTIONS}
        labels = mesh_labels(collection.reports["mesh"].combine_chunks(), self._label_set)
        return pa.table(columns | {name: column.take(rows) for name, column in labels.items()})

    def _listed(self, cells: pa.Table, texts: dict[str, str]) -> pa.Table:
        """The study table of a list that has a row an image."""
        columns = {IMAGE: self._below(cells["image"]), PATIENT: cells["report"], STUDY: cells["report"]}
        columns[VIEW] = pa.nulls(cells.num_rows, pa.string())
        columns[SPLIT] = cells[SPLIT]
        columns |= {TEXT_PREFIX + section: cells[column] for column, section in texts.items()}
        columns |= {name: cells[name] for name in cells.column_names if name.startswith(LABEL_PREFIX)}
        return pa.table(columns)

    def _below(self, names: pa.ChunkedArray) -> pa.ChunkedArray:
        """Paths below `root` of files in the folder of images."""
        return pc.binary_join_element_wise(self._images, names, "/") if self._images else names
