"""`mimic_cxr`: MIMIC-CXR, as JPEG (MIMIC-CXR-JPG) or as DICOM, with the reports' sections and both labelers."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import IMAGE, LABEL_PREFIX, PATIENT, SPLIT, STUDY, TEXT_PREFIX, VIEW
from medvl.data.patients import codes_of
from medvl.data.source import Source
from medvl.datasets.chexpert.cells import LABELS as CHEXPERT
from medvl.datasets.folder.cells import labels_of_cells, splits_of_cells
from medvl.datasets.image_files import ImageFiles
from medvl.datasets.mimic_cxr import reports as report_files
from medvl.datasets.mimic_cxr.cohorts import COHORTS
from medvl.datasets.mimic_cxr.tables import complete, parsed, places_of, read_source, require, table_file
from medvl.datasets.mimic_cxr.views import VIEW_CODE, VIEW_POSITION, projections_of, views_of
from medvl.errors import ConfigError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

Images = Literal["jpg", "dicom"]
Labeler = Literal["chexpert", "negbio", "none"]
Protocol = Literal["official", "mmbt", "medvill"]

LABELS = tuple(sorted(CHEXPERT))  # CheXpert's fourteen, in the order of these files
PROJECTION = "projection"
SUFFIXES = {"jpg": ".jpg", "dicom": ".dcm"}
OFFICIAL = {"images": 377_110, "studies": 227_835, "patients": 65_379}
SPLIT_COUNTS = {"train": 368_960, "val": 2_991, "test": 5_159}

_SIGN = "(credentialed PhysioNet users who sign its data use agreement)"
JPG_PAGE = f"https://physionet.org/content/mimic-cxr-jpg/2.0.0/ {_SIGN}"
DICOM_PAGE = f"https://physionet.org/content/mimic-cxr/2.0.0/ {_SIGN}"
_REPORT_PAGE = f"{DICOM_PAGE}, mimic-cxr-reports.zip; or leave out `reports` for no texts"


class MimicCxr(ImageFiles):
    """MIMIC-CXR 2.0.0 (Johnson et al. 2019): 377,110 chest radiographs of 227,835 studies of 65,379 patients, reports.

    JPEG and tables from https://physionet.org/content/mimic-cxr-jpg/2.0.0/ (2.1.0 lies the same), DICOM and reports
    from https://physionet.org/content/mimic-cxr/2.0.0/, under the PhysioNet Credentialed Health Data License: nothing
    may be passed on, the report text that is kept in the cache folder included.

    Rows are images, in the order of the metadata. Beside the canonical columns stands `projection`: `frontal`,
    `lateral`, `other`, or null where the view is unknown. What the files do, and what this reader does:

    - The middle split is spelled `validate`; it is read as `val`.
    - Labels are a study's, repeated on each of its images. 8 studies have none: they stay, their labels blank. Blank
      means not mentioned. The columns are alphabetical, unlike CheXpert's; they are found by name. The labels were
      mined from the reports, so findings, impression and conclusion give them away; the indication does not.
    - `ViewPosition` is blank for 15,769 images: filled in where ViewCodeSequence tells, ten corrected by the owner's
      list (`medvl.datasets.mimic_cxr.views`).
    - A report lies one folder above its images. Headers are misspelt, repeated or missing: sections follow the owner's
      rules (`medvl.data.report_sections`), by which 189,561 reports have an impression, 27,684 others findings and
      10,514 others a last paragraph. `conclusion` is the text that the labelers read; in 54 studies the owner found it
      by hand. `___` stands for what de-identification took out and is kept.
    - Test studies are sicker: 89 % have a finding, 77 % of train's.

    Args:
        root: the release's folder, with `files/p10/p10000032/s50414267/`.
        images: what lies there: `jpg` or `dicom`.
        tables: the folder with the metadata, split and label files (.csv.gz or .csv); they belong to the JPEG release.
            `root` where None.
        reports: the folder with `files/p10/p10000032/s50414267.txt`, `mimic-cxr-reports.zip`, or
            `mimic_cxr_sectioned.csv` as the owner's code writes it (no indications); no texts where None.
        labeler: whose labels: `chexpert`, `negbio`, or `none`, which needs no label file.
        protocol: `official`: all images. Else one image of each study, in the official split, counts as in
            `expectations`: `mmbt` (Dalla Serra et al. 2022): the first AP or PA of a labelled study with an indication,
            or a history in its place; `medvill` (Moon et al. 2022): the first AP of a study with findings or an
            impression. What the papers leave open, and is assumed: `medvl.datasets.mimic_cxr.cohorts`.

    Raises:
        ConfigError: an unknown choice, or a protocol without the reports or labels that it goes by.
    """

    fake = "medvl.datasets.fakes.mimic_cxr:write"
    labels_from = ("findings", "impression", "last_paragraph", "conclusion")
    expectations: Mapping[str, Mapping[str, int]] = MappingProxyType(
        {"official": SPLIT_COUNTS} | {name: cohort.images for name, cohort in COHORTS.items()}
    )

    def __init__(
        self,
        *,
        root: Path,
        images: Images = "jpg",
        tables: Path | None = None,
        reports: Path | None = None,
        labeler: Labeler = "chexpert",
        protocol: Protocol = "official",
    ) -> None:
        self.root, self._tables = Path(root), Path(root if tables is None else tables)
        self._reports = None if reports is None else Path(reports)
        self._images, self._labeler, self._protocol = images, labeler, protocol
        problems = _problems(images, labeler, protocol, self._reports)
        if problems:
            raise ConfigError(problems)
        self.labels = () if labeler == "none" else LABELS
        self.sections = () if self._reports is None else report_files.sections_in(self._reports)
        if protocol == "official":
            self.official = OFFICIAL | SPLIT_COUNTS

    def build_table(self) -> pa.Table:
        """See `ImageFiles.build_table`."""
        source = self._metadata()
        metadata = read_source(source, ["dicom_id", "subject_id", "study_id", VIEW_POSITION, VIEW_CODE])
        image, patient, study = (complete(source.path, metadata, name) for name in metadata.column_names[:3])
        views = views_of(metadata, image)
        columns = {
            IMAGE: pc.binary_join_element_wise("files", _folder(patient), _named("s", study), self._file(image), "/"),
            PATIENT: patient,
            STUDY: study,
            VIEW: views,
            PROJECTION: projections_of(views),
            SPLIT: self._splits(image),
        }
        for reports in self._report_sources():
            columns |= self._sections(require(reports), patient, study)
        labels, labelled = self._label_columns(study)
        table = pa.table(columns | labels)
        if self._protocol == "official":
            return table
        rows = COHORTS[self._protocol].rows(table, metadata.column(VIEW_POSITION), labelled)
        return table.take(pa.array(rows))

    def _file(self, image: pa.ChunkedArray) -> pa.ChunkedArray:
        return pc.binary_join_element_wise(image, SUFFIXES[self._images], "")

    def _splits(self, image: pa.ChunkedArray) -> pa.Array:
        source = self._split()
        rows = read_source(source, ["dicom_id", "split"])
        places = places_of(image, rows, source.path, needed=True)
        return parsed(source.path, rows, "split", splits_of_cells).take(places)

    def _sections(self, reports: Path, patient: pa.ChunkedArray, study: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
        codes, studies = codes_of(study)
        first = pa.array(np.unique(codes, return_index=True)[1])
        names = pc.binary_join_element_wise(_folder(patient.take(first)), _named("s", studies), "/")
        found = report_files.read_reports(reports, studies.to_pylist(), _named("", names, ".txt").to_pylist())
        rows = pa.array(codes)
        return {TEXT_PREFIX + name: found.column(name).take(rows) for name in self.sections}

    def _label_columns(self, study: pa.ChunkedArray) -> tuple[dict[str, pa.Array], np.ndarray]:
        """The label columns, and (N,) bool: whether a row's study has labels."""
        if not self.labels:
            return {}, np.zeros(len(study), bool)
        source = self._label_file()
        rows = read_source(source, ["study_id", *LABELS])
        places = places_of(study, rows, source.path)
        columns = {
            LABEL_PREFIX + name: parsed(source.path, rows, name, labels_of_cells).take(places) for name in LABELS
        }
        return columns, np.asarray(pc.is_valid(places))

    def _metadata(self) -> Source:
        return Source(table_file(self._tables, "metadata"), "views, patients and studies of all images", JPG_PAGE)

    def _split(self) -> Source:
        return Source(table_file(self._tables, "split"), "the official split", JPG_PAGE)

    def _label_file(self) -> Source:
        where = f"{JPG_PAGE}; or set `labeler: none` for no labels"
        return Source(table_file(self._tables, self._labeler), f"labels mined by {self._labeler}", where)

    def index_files(self) -> list[Path]:
        """See `ImageFiles.index_files`; the reports where they are one file."""
        reports = [] if self._reports is None or self._reports.is_dir() else [self._reports]
        return [*(source.path for source in self._table_sources()), *reports]

    def _table_sources(self) -> list[Source]:
        return [self._metadata(), self._split(), *([self._label_file()] if self.labels else [])]

    def settings(self) -> tuple[object, ...]:
        """See `ImageFiles.settings`; a folder of reports counts as changed when patients come or go."""
        folders = None if self._reports is None else report_files.folder_times(self._reports)
        return self._images, self._labeler, self._protocol, folders

    def sources(self) -> list[Source]:
        """See `Dataset.sources`."""
        page = JPG_PAGE if self._images == "jpg" else DICOM_PAGE
        images = Source(self.root / "files", f"the images, as {self._images}", page)
        return [images, *self._table_sources(), *self._report_sources()]

    def _report_sources(self) -> list[Source]:
        return [] if self._reports is None else [Source(self._reports, "the reports' sections", _REPORT_PAGE)]


def _problems(images: str, labeler: str, protocol: str, reports: Path | None) -> list[str]:
    choices = (("images", images, Images), ("labeler", labeler, Labeler), ("protocol", protocol, Protocol))
    problems = [
        f"mimic_cxr: {unknown(name, value, get_args(allowed))}"
        for name, value, allowed in choices
        if value not in get_args(allowed)
    ]
    if protocol in COHORTS:
        sections = () if reports is None else report_files.sections_in(reports)
        lacking = [name for name in COHORTS[protocol].texts if name not in sections]
        if lacking:
            problems.append(
                f"mimic_cxr: protocol '{protocol}' goes by {' and '.join(lacking)} of the reports, which "
                f"{'`reports` must name' if reports is None else f'{reports.name} lacks'}. do: let `reports` name the "
                "folder that holds 'files', or mimic-cxr-reports.zip"
            )
        if COHORTS[protocol].labelled and labeler == "none":
            problems.append(f"mimic_cxr: protocol '{protocol}' takes labelled studies. do: choose a labeler")
    return problems


def _folder(patient: pa.ChunkedArray) -> pa.ChunkedArray:
    """`10000032` -> `p10/p10000032`."""
    named = _named("p", patient)
    return pc.binary_join_element_wise(pc.utf8_slice_codeunits(named, 0, 3), named, "/")


def _named(before: str, names: pa.ChunkedArray, after: str = "") -> pa.ChunkedArray:
    return pc.binary_join_element_wise(before, names, after, "")
