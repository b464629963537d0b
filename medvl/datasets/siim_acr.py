"""`siim_acr`: the SIIM-ACR Pneumothorax Segmentation challenge (Kaggle, 2019)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import IMAGE, LABEL_PREFIX, PATIENT, STUDY, VIEW
from medvl.data.rle import EMPTY, decode_rle
from medvl.data.source import Source
from medvl.data.table_file import read_columns
from medvl.datasets.image_files import ImageFiles
from medvl.errors import DataError, unknown

CHALLENGE = "https://www.kaggle.com/c/siim-acr-pneumothorax-segmentation: accept the rules, then download"
PNEUMOTHORAX = "Pneumothorax"
SIDE = 1024  # pixels of every image, and of its masks
IMAGE_ID, PIXELS = "ImageId", "EncodedPixels"


class SiimAcr(ImageFiles):
    """12,047 frontal chest radiographs, 2,669 of them with pixel masks of a pneumothorax (1024 x 1024 DICOM).

    Filice et al. 2020, "Crowdsourcing pneumothorax annotations using machine learning annotations on the NIH chest
    X-ray dataset". Licence: the challenge's rules, non-commercial research and education; the images are NIH
    ChestX-ray14's.

    Traps, and what this reader does:
        - The header reads `ImageId, EncodedPixels` and an image without mask `-1` or ` -1`, depending on the copy:
          blanks are taken off both, or every image would be positive.
        - An image has one row for each mask, up to ten: `read_mask` unites them.
        - Runs are relative and go down the columns (`medvl.data.rle`).
        - Images lie in `<StudyUID>/<SeriesUID>/<ImageId>.dcm`: the folder is searched once, at any depth.
        - Images without any row are in the download: nothing is known of them, and they are left out unless
          `unlabelled` asks for them.
        - Nothing tells patients apart, so each image counts as a patient of its own; there is no official split. MRM's
          lists are not offered: 494 of their 1,904 test images are also in their training list.

    Args:
        root: holds the masks' table and the images' folder.
        masks: the table, as `root` holds it.
        images: the images' folder below `root`, searched at any depth.
        unlabelled: take images without a row, too, with the label unknown: for pre-training without labels. A policy
            that reads blanks as negative would teach that they are healthy.
    """

    labels = (PNEUMOTHORAX,)
    masks = (PNEUMOTHORAX,)
    fake = "medvl.datasets.fakes.siim_acr:write"

    def __init__(
        self,
        *,
        root: Path,
        masks: str = "train-rle.csv",
        images: str = "dicom-images-train",
        unlabelled: bool = False,
    ) -> None:
        self.root = Path(root)
        self._masks, self._images, self._unlabelled = self.root / masks, images, unlabelled
        self.official = MappingProxyType({} if unlabelled else {"images": 12_047})

    def build_table(self) -> pa.Table:
        """See `ImageFiles.build_table`."""
        for source in self.sources():
            if not source.present:
                raise DataError(f"{source.path}: is missing ({source.what}). do: get it from {source.where}")
        paths, ids = self._files
        told = self._cells.group_by(IMAGE_ID, use_threads=False).aggregate([(PIXELS, "max")])
        named = told.column(IMAGE_ID).combine_chunks()
        # "-1" sorts before every mask, so the greatest of an image's cells is a mask where it has one
        positive = pc.not_equal(told.column(f"{PIXELS}_max"), EMPTY).cast(pa.int8()).combine_chunks()
        if self._unlabelled:
            more = ids.filter(pc.invert(pc.is_in(ids, named)))
            named = pa.concat_arrays([named, more])
            positive = pa.concat_arrays([positive, pa.nulls(len(more), pa.int8())])
        # an image that is not there keeps a path at which nothing is, and is reported as missing
        nowhere = pc.binary_join_element_wise(self._images, named, "/")
        image = pc.coalesce(paths.take(pc.index_in(named, ids)), pc.binary_join_element_wise(nowhere, ".dcm", ""))
        study = pc.struct_field(pc.extract_regex(image, pattern=r"(?P<study>[^/]+)/[^/]+/[^/]+$"), "study")
        return pa.table(
            {
                IMAGE: image,
                PATIENT: named,
                STUDY: pc.coalesce(study, named),
                VIEW: pa.nulls(len(named), pa.string()),
                LABEL_PREFIX + PNEUMOTHORAX: positive,
            }
        )

    def read_mask(self, reference: str, label: str) -> np.ndarray:
        """The union of an image's masks, bool (1024, 1024); all False for images without one.

        Raises:
            DataError: another label, an image without any row, or a mask that cannot be decoded.
        """
        if label != PNEUMOTHORAX:
            raise DataError(f"siim_acr: {unknown('label', label, self.labels)}")
        of_image = pc.equal(self._cells.column(IMAGE_ID), Path(reference).stem)
        runs = self._cells.column(PIXELS).filter(of_image).to_pylist()
        if not runs:
            raise DataError(
                f"{reference}: has no row in {self._masks}, so whether it has a mask is unknown. do: take the images "
                "whose label is 1 or 0"
            )
        try:
            return decode_rle(runs, (SIDE, SIDE))
        except DataError as error:
            raise DataError(f"{self._masks}: {IMAGE_ID} {Path(reference).stem}: {error}") from None

    @cached_property
    def _cells(self) -> pa.Table:
        cells = read_columns(self._masks, [IMAGE_ID, PIXELS])
        if cells.column(IMAGE_ID).null_count or cells.column(PIXELS).null_count:
            raise DataError(
                f"{self._masks}: rows with a blank {IMAGE_ID} or {PIXELS}; an image without mask has {EMPTY}. "
                "do: fetch the file again"
            )
        return cells

    @cached_property
    def _files(self) -> tuple[pa.Array, pa.Array]:
        """Paths of all images, relative to the root, and their ids; found by one walk."""
        paths = sorted(_dicom_files(self.root / self._images, self._images))
        found = pa.array(paths, pa.string())
        return found, pc.struct_field(pc.extract_regex(found, pattern=r"(?P<id>[^/]+)\.[^./]+$"), "id")

    def index_files(self) -> Sequence[Path]:
        """See `ImageFiles.index_files`."""
        return [self._masks, self.root / self._images]

    def settings(self) -> tuple[object, ...]:
        """See `ImageFiles.settings`."""
        return self._images, self._unlabelled

    def sources(self) -> list[Source]:
        """See `Dataset.sources`."""
        return [
            Source(self._masks, "masks, a row a mask", CHALLENGE),
            Source(self.root / self._images, "the radiographs, DICOM in nested folders", CHALLENGE),
        ]


def _dicom_files(folder: Path, prefix: str) -> Iterator[str]:
    """All .dcm files below, with `/` between the parts."""
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{prefix}/{entry.name}"
            if entry.is_dir():
                yield from _dicom_files(Path(entry.path), name)
            elif entry.name.lower().endswith(".dcm"):
                yield name
