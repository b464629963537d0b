"""A miniature of MIMIC-CXR 2.0.0: the release of JPEGs and tables, and the one of DICOM files and reports."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from medvl.data.dataset import IMAGE, SPLIT, STUDY, TEXT_PREFIX, VIEW
from medvl.data.patients import codes_of, patients_of
from medvl.datasets.fakes.chexpert_labels import BLANK, fourteen_labels
from medvl.datasets.fakes.image_writers import write_dicom, write_picture
from medvl.datasets.fakes.mimic_cxr_reports import FORMS, SAID, write_report
from medvl.datasets.mimic_cxr.dataset import LABELS
from medvl.datasets.phantom.dataset import Phantom

RESOLUTION = 128
JPG, DICOM = Path("mimic-cxr-jpg", "2.0.0"), Path("mimic-cxr", "2.0.0")
REPORTS = "mimic-cxr-reports.zip"
UNLABELLED = 17  # one study in so many has no labels; the release has 8 of 227,835
REPEATED = 6  # one study in so many has its frontal image taken twice
CODED = {"AP": "antero-posterior", "PA": "postero-anterior", "LATERAL": "lateral", "LL": "left lateral"}
METADATA = (
    "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,StudyTime,"
    "ProcedureCodeSequence_CodeMeaning,ViewCodeSequence_CodeMeaning,PatientOrientationCodeSequence_CodeMeaning"
)


@dataclass(frozen=True)
class Image:
    """One image: its numbers, its row of the phantom's table, and what the metadata say of its view."""

    dicom: str
    subject: int
    study: int
    row: int
    split: str
    position: str
    code: str
    repeat: bool

    @property
    def folder(self) -> str:
        """`files/p10/p10000032/s50414267`."""
        return f"files/p{self.subject // 1_000_000}/p{self.subject}/s{self.study}"


def write(out: Path, *, patients: int, seed: int) -> dict[str, object]:
    """Both releases, with the official names, headers, orders and number formats.

    Traps: tables in different orders; `validate`; labels by study, alphabetical, as 1.0, 0.0, -1.0 and blanks, of the
    two labelers not always the same; studies without labels; views blank though coded, blank altogether, `LL` beside
    `LATERAL`, `AP LLD`; studies of two frontal images; images that are not square; MONOCHROME1 of 12 bits; reports one
    folder above the images, with the oddities of `medvl.datasets.fakes.mimic_cxr_reports`, and as the zip.

    Args:
        out: the folder to write in: `mimic-cxr-jpg/2.0.0` and `mimic-cxr/2.0.0`.
        patients: phantom patients; each has one to three studies of one to three images.
        seed: of the phantom and the numbers.

    Returns:
        The `data:` parameters that read JPEGs and reports. For DICOM give `images: dicom`, the other folder as `root`
        and this one as `tables`.
    """
    phantom = Phantom(patients=patients, seed=seed, resolution=RESOLUTION)
    table = phantom.table()
    images = _images(table, seed)
    _write_images(out, images, phantom.read_images(table.column(IMAGE).to_pylist()))
    _write_tables(out / JPG, images)
    _write_labels(out / JPG, images, fourteen_labels(table))
    _write_lists(out / DICOM, images)
    _write_reports(out / DICOM, images, table)
    return {"name": "mimic_cxr", "root": str(out / JPG), "reports": str(out / DICOM)}


def _images(table: pa.Table, seed: int) -> list[Image]:
    """All images, by subject and study as the metadata has them."""
    patients, studies = patients_of(table)[0].tolist(), codes_of(table.column(STUDY))[0].tolist()
    views, splits = table.column(VIEW).to_pylist(), table.column(SPLIT).to_pylist()
    images = []
    for row, (patient, study, view) in enumerate(zip(patients, studies, views, strict=True)):
        for repeat in range(2 if study % REPEATED == 1 and view != "LATERAL" else 1):
            position, code = _view(view, row + 3 * repeat)
            digits = hashlib.blake2b(f"{seed} {row} {repeat}".encode(), digest_size=20).hexdigest()
            images.append(
                Image(
                    dicom="-".join(digits[start : start + 8] for start in range(0, 40, 8)),
                    subject=_number(1, patient, 7_654_321, seed),
                    study=_number(5, study, 3_141_593, seed),
                    row=row,
                    split={"val": "validate"}.get(splits[row], splits[row]),
                    position=position,
                    code=code,
                    repeat=bool(repeat),
                )
            )
    return sorted(images, key=lambda image: (image.subject, image.study, image.dicom))


def _number(first: int, count: int, factor: int, seed: int) -> int:
    """Eight digits, no two alike below ten million: the factor shares no divisor with it."""
    return first * 10_000_000 + (count * factor + 1_234_577 * (seed + 1)) % 10_000_000


def _view(view: str, number: int) -> tuple[str, str]:
    """(ViewPosition, ViewCodeSequence) of the image with this number."""
    position = "LL" if view == "LATERAL" and number % 2 else view
    if number % 31 == 30:
        return "AP LLD", ""
    return ("" if number % 9 in (4, 7) else position), ("" if number % 9 == 7 else CODED[position])


def _write_images(out: Path, images: list[Image], pixels: list[np.ndarray | Exception]) -> None:
    for number, image in enumerate(images):
        drawn = pixels[image.row]
        assert isinstance(drawn, np.ndarray)
        shown = _cropped(drawn, image)
        name = f"{image.folder}/{image.dicom}"
        write_picture(out / JPG / f"{name}.jpg", shown)
        write_dicom(
            out / DICOM / f"{name}.dcm", shown, inverted=number % 4 == 1, PatientID=str(image.subject),
            StudyID=str(image.study), ViewPosition=image.position, WindowCenter=2048, WindowWidth=4096,
            SOPInstanceUID=f"2.25.{int(image.dicom.replace('-', '')[:30], 16)}",
        )  # fmt: skip


def _cropped(pixels: np.ndarray, image: Image) -> np.ndarray:
    """Portable images are narrower; a repeated one is shifted."""
    if image.repeat:
        return pixels[4:-4, 4:-4]
    return pixels[:, 8:-8] if image.position == "AP" else pixels


def _write_tables(folder: Path, images: list[Image]) -> None:
    lines = []
    for number, image in enumerate(images):
        portable = image.position == "AP"
        procedure = "CHEST (PORTABLE AP)" if portable else "CHEST (PA AND LAT)"
        rows, columns = _cropped(np.empty((RESOLUTION, RESOLUTION), np.uint8), image).shape
        date, clock = 21_500_101 + 10_000 * (number % 40), f"{80_000 + 37 * number}.{number % 1000:03d}"
        lines.append(
            f"{image.dicom},{image.subject},{image.study},{procedure},{image.position},{rows},{columns},{date},{clock},"
            f"{procedure},{image.code},{'Recumbent' if portable else 'Erect'}"
        )
    _write_table(folder / "mimic-cxr-2.0.0-metadata.csv.gz", METADATA, lines)
    by_image = sorted(images, key=lambda image: image.dicom)
    lines = [f"{image.dicom},{image.study},{image.subject},{image.split}" for image in by_image]
    _write_table(folder / "mimic-cxr-2.0.0-split.csv.gz", "dicom_id,study_id,subject_id,split", lines)


def _write_labels(folder: Path, images: list[Image], labels: dict[str, np.ndarray]) -> None:
    for labeler in ("chexpert", "negbio"):
        lines = []
        for number, image in enumerate(_studies(images)):
            if number % UNLABELLED == UNLABELLED - 1:
                continue
            values = [int(labels[name][image.row]) for name in LABELS]
            if labeler == "negbio" and number % 3 == 0:
                values = [1 if value == -1 else value for value in values]
            cells = ["" if value == BLANK else f"{value}.0" for value in values]
            lines.append(",".join([str(image.subject), str(image.study), *cells]))
        header = ",".join(["subject_id", "study_id", *LABELS])
        _write_table(folder / f"mimic-cxr-2.0.0-{labeler}.csv.gz", header, lines)


def _write_lists(folder: Path, images: list[Image]) -> None:
    lines = [f"{image.subject},{image.study},{image.dicom},{image.folder}/{image.dicom}.dcm" for image in images]
    _write_table(folder / "cxr-record-list.csv.gz", "subject_id,study_id,dicom_id,path", lines)
    lines = [f"{image.subject},{image.study},{image.folder}.txt" for image in _studies(images)]
    _write_table(folder / "cxr-study-list.csv.gz", "subject_id,study_id,path", lines)


def _write_reports(folder: Path, images: list[Image], table: pa.Table) -> None:
    said = table.select([TEXT_PREFIX + name for name in SAID]).rename_columns(SAID).to_pylist()
    with zipfile.ZipFile(folder / REPORTS, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, image in enumerate(_studies(images)):
            text = write_report(number % FORMS, said[image.row])
            (folder / f"{image.folder}.txt").write_text(text, encoding="utf-8")
            archive.writestr(zipfile.ZipInfo(f"{image.folder}.txt", (2020, 1, 1, 0, 0, 0)), text)


def _studies(images: list[Image]) -> list[Image]:
    """The first image of each study."""
    return list({image.study: image for image in reversed(images)}.values())[::-1]


def _write_table(path: Path, header: str, lines: list[str]) -> None:
    path.write_bytes(gzip.compress("\n".join([header, *lines, ""]).encode(), mtime=0))
