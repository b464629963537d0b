"""`rsna_pneumonia`: the RSNA Pneumonia Detection Challenge (Kaggle, 2018), stage 2."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import IMAGE, LABEL_PREFIX, PATIENT, SPLIT, STUDY, VIEW
from medvl.data.source import Source
from medvl.datasets.image_files import ImageFiles
from medvl.datasets.labelled_lists import read_lists
from medvl.datasets.rsna_pneumonia import tables
from medvl.errors import ConfigError, DataError

CHALLENGE = "https://www.kaggle.com/c/rsna-pneumonia-detection-challenge: accept the rules, then download"
RSNA = "https://www.rsna.org/rsnai/ai-image-challenge/rsna-pneumonia-detection-challenge-2018"
TORCHXRAYVISION = "https://github.com/mlmed/torchxrayvision: torchxrayvision/data"
LISTS = "https://github.com/RL4M/MRM-pytorch: DatasetsSplits/RSNA_Pneumonia"
TRAIN, TEST = "stage_2_train_images", "stage_2_test_images"


class RsnaPneumonia(ImageFiles):
    """26,684 frontal chest radiographs with pneumonia labels and boxes, as Kaggle distributes them (1024 x 1024 DICOM).

    Shih et al. 2019, "Augmenting the NIH chest radiograph dataset with expert annotations of possible pneumonia".
    Licence: the challenge's rules, non-commercial research and education; the images are NIH ChestX-ray14's.

    Traps, and what this reader does:
        - An image has one to four rows, one for each box; they become one row with a list of boxes, as fractions.
        - `patientId` names an image, not a patient. Who the patient is tells only RSNA's mapping to the NIH's files
          (`patient_from: nih`). Without it each image counts as a patient of its own: **patients cannot be told
          apart**, so splits, fractions and intervals go by image, and images of one person may stand on both sides.
        - The labels of the challenge's own test images are not distributed; they are in the lists of papers alone.
        - Views, ages and sexes are in the DICOM headers alone. Where torchxrayvision's table of them lies in `root`
          (`kaggle_stage_2_train_images_dicom_headers.csv.gz`), these columns are filled from it; ages reach 155, and
          impossible ones count as unknown.
        - The images are NIH ChestX-ray14's: do not train on one and test on the other.

    Args:
        root: holds `stage_2_train_labels.csv` and `stage_2_train_images/`.
        target: `pneumonia`: one label, the challenge's Target; `classes`: the three of
            `stage_2_detailed_class_info.csv`, which tells sick lungs without opacity from normal ones.
        protocol: `official`: the labelled images, no split; `mrm`: the lists of Zhou et al. 2023 (MRM) with 25,184,
            1,500 and 3,000 images, the last being the challenge's test images. They divide images, not patients.
        lists: folder of MRM's `train_list.txt`, `val_list.txt`, `test_list.txt`; `root / "mrm"` where None.
        train_list: the list of training images; MRM's shares of 10 and 1 % are `train_10.txt` and `train_1.txt`.
        patient_from: `image`: each image is a patient; `nih`: the patients of ChestX-ray14, from
            `pneumonia-challenge-dataset-mappings_2018.json` in `root`.

    Raises:
        ConfigError: MRM's lists with `classes`, which they do not tell.
    """

    expectations = MappingProxyType({"mrm": MappingProxyType({"train": 25_184, "val": 1_500, "test": 3_000})})
    fake = "medvl.datasets.fakes.rsna_pneumonia:write"
    smoke = MappingProxyType({"protocol": "official"})  # no published list names a miniature's images

    def __init__(
        self,
        *,
        root: Path,
        target: Literal["pneumonia", "classes"] = "pneumonia",
        protocol: Literal["official", "mrm"] = "official",
        lists: Path | None = None,
        train_list: str = "train_list.txt",
        patient_from: Literal["image", "nih"] = "image",
    ) -> None:
        self.root = Path(root)
        self._target, self._protocol, self._patient_from = target, protocol, patient_from
        self._lists = Path(lists) if lists is not None else self.root / "mrm"
        self._list_names = {"train": train_list, "val": "val_list.txt", "test": "test_list.txt"}
        self.labels = (tables.PNEUMONIA,) if target == "pneumonia" else tables.CLASSES
        self.split_by = "patient" if protocol == "official" else "image"
        self.official = MappingProxyType({"images": 26_684} if protocol == "official" else {})
        if protocol == "mrm" and target == "classes":
            raise ConfigError("rsna_pneumonia: MRM's lists tell pneumonia alone. do: take target pneumonia with them")

    def build_table(self) -> pa.Table:
        """See `ImageFiles.build_table`."""
        self._require_tables()
        table = tables.labelled_images(self.root / tables.LABELS, self.labels[-1])
        if self._target == "classes":
            table = tables.with_classes(table, self.root / tables.CLASS_INFO)
        if self._protocol == "mrm":
            table = self._listed(table)
        else:
            paths = pc.binary_join_element_wise(f"{TRAIN}/", table.column("id"), ".dcm", "")
            table = table.add_column(0, IMAGE, paths)
        ids = table.column("id")
        patients = tables.patients(self.root / tables.MAPPING, ids) if self._patient_from == "nih" else ids
        columns = {IMAGE: table.column(IMAGE), PATIENT: patients, STUDY: ids}
        headers = self.root / tables.HEADERS
        columns |= tables.headers(headers, ids) if headers.is_file() else {VIEW: pa.nulls(len(ids), pa.string())}
        return pa.table(
            columns | {name: table.column(name) for name in table.column_names if name not in (IMAGE, "id")}
        )

    def _listed(self, table: pa.Table) -> pa.Table:
        """The images of MRM's lists; those of the challenge's test have the lists' label and no boxes."""
        lists = read_lists({split: self._lists / name for split, name in self._list_names.items()}, {"0": 0, "1": 1})
        ids = pc.struct_field(pc.extract_regex(lists.column("name"), pattern=r"(?P<id>[^/]+)\.dcm$"), "id")
        rows = pc.index_in(ids, table.column("id"))
        unlabelled = pc.and_(pc.is_null(rows), pc.starts_with(lists.column("name"), TRAIN))
        if ids.null_count or pc.any(unlabelled).as_py():
            raise DataError(
                f"{self._lists}: lists {pc.sum(unlabelled).as_py()} training images that {tables.LABELS} does not "
                f"label, and {ids.null_count} names that are no .dcm file. do: take the lists of {LISTS}"
            )
        boxes = table.column(tables.BOXES).combine_chunks().take(rows.combine_chunks())
        return pa.table(
            {
                IMAGE: lists.column("name"),
                "id": ids,
                SPLIT: lists.column("split"),
                LABEL_PREFIX + tables.PNEUMONIA: lists.column("label"),
                tables.BOXES: boxes,
            }
        )

    def index_files(self) -> Sequence[Path]:
        """See `ImageFiles.index_files`."""
        return [source.path for source in self._tables() if source.needed or source.path.name == tables.HEADERS]

    def settings(self) -> tuple[object, ...]:
        """See `ImageFiles.settings`."""
        return self._target, self._protocol, sorted(self._list_names.items()), self._patient_from

    def sources(self) -> list[Source]:
        """See `Dataset.sources`."""
        found = [*self._tables(), Source(self.root / TRAIN, "the labelled radiographs, DICOM", CHALLENGE)]
        if self._protocol == "mrm":
            found.append(Source(self.root / TEST, "the challenge's test radiographs, DICOM", CHALLENGE))
        return found

    def _tables(self) -> list[Source]:
        classes, nih = self._target == "classes", self._patient_from == "nih"
        told = "which NIH image each is, hence which patient; without it patients cannot be told apart"
        found = [
            Source(self.root / tables.LABELS, "labels and boxes, a row a box", CHALLENGE),
            Source(self.root / tables.CLASS_INFO, "three classes instead of two (target: classes)", CHALLENGE, classes),
            Source(self.root / tables.MAPPING, f"{told} (patient_from: nih)", RSNA, nih),
            Source(self.root / tables.HEADERS, "views, ages and sexes", TORCHXRAYVISION, needed=False),
        ]
        if self._protocol == "mrm":
            found += [Source(self._lists / name, "MRM's split", LISTS) for name in self._list_names.values()]
        return found

    def _require_tables(self) -> None:
        for source in self._tables():
            if source.needed and not source.present:
                raise DataError(f"{source.path}: there is no such file ({source.what}). do: get it from {source.where}")
