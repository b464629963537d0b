"""`openi`: the Indiana University chest X-ray collection, as the NLM, Kaggle, R2Gen and MedViLL give it out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import IMAGE, LABEL_PREFIX, PATIENT, SPLIT, STUDY, TEXT_PREFIX, VIEW
from medvl.data.source import Source
from medvl.datasets.image_files import ImageFiles
from medvl.datasets.openi_lists import (
    KAGGLE_PROJECTIONS,
    KAGGLE_REPORTS,
    MEDVILL_LISTS,
    read_kaggle,
    read_medvill,
    read_r2gen,
)
from medvl.datasets.openi_mesh import CHEXPERT, LABEL_SETS, LabelSet, mesh_labels
from medvl.datasets.openi_views import find_images, views_of
from medvl.datasets.openi_xml import SECTIONS, Collection, read_xml, report_files
from medvl.errors import ConfigError, DataError, unknown

Release = Literal["xml", "kaggle", "r2gen", "medvill"]

REPORTS, HEADERS, ANNOTATION, MEDVILL = (
    "ecgen-radiology", "nlmcxr_dicom_metadata.csv.gz", "annotation.json", "data/openi"
)  # fmt: skip
IMAGES: dict[Release, str] = {
    "xml": "NLMCXR_png", "kaggle": "images/images_normalized", "r2gen": "images", "medvill": ""
}  # fmt: skip
RELEASE_SECTIONS: dict[Release, tuple[str, ...]] = {
    "xml": SECTIONS, "kaggle": SECTIONS, "r2gen": ("findings",), "medvill": ("report",)
}  # fmt: skip

NLM = "https://openi.nlm.nih.gov/faq, Indiana University collection"
KAGGLE = "https://www.kaggle.com/datasets/raddar/chest-xrays-indiana-university (a Kaggle account)"
R2GEN = "https://github.com/zhjohnchan/R2Gen, Datasets, IU X-Ray"
MEDVILL_HOME = "https://github.com/SuperSupermoon/MedViLL"
XRAYVISION = "https://github.com/mlmed/torchxrayvision, torchxrayvision/data"

_SPLITS: dict[Release, dict[str, int]] = {
    "r2gen": {"train": 2 * 2069, "val": 2 * 296, "test": 2 * 590},
    "medvill": {"train": 2483, "val": 710, "test": 354},
}
_OFFICIAL: dict[Release, dict[str, int]] = {
    "xml": {"images": 7470, "studies": 3851, "patients": 3851},
    "kaggle": {"images": 7466, "studies": 3851, "patients": 3851},
    "r2gen": {"images": 5910, "studies": 2955, "patients": 2955} | _SPLITS["r2gen"],
    "medvill": {"images": 3547, "studies": 3547, "patients": 3547} | _SPLITS["medvill"],
}


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

    Labels of `xml` and `kaggle` come from the MeSH descriptors that people gave (`medvl.datasets.openi_mesh`); the ones
    that a program mined are left aside. `normal` is `No Finding`.

    The reports do not tell the view. `xml` and `kaggle` take it from Kaggle's `indiana_projections.csv` where that lies
    below `root`, and PA or AP from `nlmcxr_dicom_metadata.csv.gz`; without Kaggle's file laterals called PA stay PA
    (`medvl.datasets.openi_views`). Image names differ between those files and are matched.

    Args:
        root: the folder described above.
        release: which of the four.
        images: folder of the images below `root`, searched whole by `xml`; the release's usual one where None.
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
        if not problems and release in _SPLITS and label_set != "chexpert":
            problems.append(f"openi: release '{release}' has no MeSH descriptors. do: remove label_set")
        if problems:
            raise ConfigError(problems)
        self.root, self._release, self._label_set = Path(root), release, label_set
        self._images = IMAGES[release] if images is None else images
        self.sections = RELEASE_SECTIONS[release]
        by_release = {"r2gen": (), "medvill": tuple(CHEXPERT)}
        self.labels = by_release.get(release, tuple(LABEL_SETS[label_set]))
        self.official = MappingProxyType(_OFFICIAL[release])
        self.expectations: Mapping[str, Mapping[str, int]] = MappingProxyType(
            {release: _SPLITS[release]} if release in _SPLITS else {}
        )

    def sources(self) -> list[Source]:
        """See `Dataset.sources`."""
        root, pictures = self.root, self.root / self._images
        views = Source(root / HEADERS, "views of the DICOM headers", f"{XRAYVISION}/{HEADERS}", needed=False)
        if self._release == "xml":
            return [
                Source(root / REPORTS, "reports", f"{NLM}: NLMCXR_reports.tgz"),
                Source(pictures, "images", f"{NLM}: NLMCXR_png.tgz (1.4 GB) or NLMCXR_dcm.tgz (81 GB)"),
                views,
                Source(root / KAGGLE_PROJECTIONS, "frontal or lateral", KAGGLE, needed=False),
            ]
        if self._release == "kaggle":
            return [
                Source(root / KAGGLE_REPORTS, "reports", KAGGLE),
                Source(root / KAGGLE_PROJECTIONS, "images, frontal or lateral", KAGGLE),
                Source(pictures, "images", KAGGLE),
                views,
            ]
        if self._release == "r2gen":
            return [Source(root / ANNOTATION, "reports and split", R2GEN), Source(pictures, "images", R2GEN)]
        lists = [Source(root / MEDVILL / name, f"split {split}", MEDVILL_HOME) for split, name in MEDVILL_LISTS.items()]
        return [*lists, Source(root / "data/preprocessed/openi", "images", MEDVILL_HOME)]

    def index_files(self) -> list[Path]:
        """See `ImageFiles.index_files`."""
        listed = [source.path for source in self.sources() if source.path.is_file()]
        return report_files(self.root / REPORTS) + listed if self._release == "xml" else listed

    def settings(self) -> tuple[object, ...]:
        """See `ImageFiles.settings`."""
        return self._release, self._images, self._label_set

    def build_table(self) -> pa.Table:
        """See `ImageFiles.build_table`."""
        self._require_index()
        if self._release == "xml":
            collection = read_xml(report_files(self.root / REPORTS))
            names = collection.images["image"]
            return self._collected(collection, find_images(self.root, self._images, names), names)
        if self._release == "kaggle":
            collection = read_kaggle(self.root / KAGGLE_REPORTS, self.root / KAGGLE_PROJECTIONS)
            names = collection.images["image"]
            return self._collected(collection, self._below(names), names)
        if self._release == "r2gen":
            return self._listed(read_r2gen(self.root / ANNOTATION), {"findings": "findings"})
        return self._listed(read_medvill(self.root / MEDVILL), {"text": "report"})

    def _require_index(self) -> None:
        """Images may be missing here and there, and the store says so; without an index there is nothing to read."""
        for source in self.sources():
            image_folder = source.what == "images"
            if source.needed and not source.present and not image_folder:
                raise DataError(f"{source.path}: is missing ({source.what}). do: get it from {source.where}")
        if self._release == "xml" and not report_files(self.root / REPORTS):
            raise DataError(f"{self.root / REPORTS}: holds no .xml. do: get NLMCXR_reports.tgz from {NLM}")

    def _collected(self, collection: Collection, references: pa.Array, names: pa.ChunkedArray) -> pa.Table:
        """The study table of reports and their images."""
        report = collection.images["report"]
        rows = pc.index_in(report, collection.reports["report"].combine_chunks())
        columns = {IMAGE: references, PATIENT: report, STUDY: report}
        columns[VIEW] = views_of(names, self.root / HEADERS, self.root / KAGGLE_PROJECTIONS)
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
