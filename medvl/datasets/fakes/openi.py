"""A miniature of Open-I in all four releases, from phantom radiographs."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from medvl.datasets.fakes.image_writers import write_dicom, write_picture
from medvl.datasets.fakes.openi_reports import Picture, Report, draw_reports
from medvl.datasets.openi.sources import (
    ANNOTATION,
    HEADERS,
    IMAGES,
    KAGGLE_REPORTS,
    MEDVILL_FOLDER,
    MEDVILL_LISTS,
    PROJECTIONS,
    REPORTS,
)

# what the owner's abstracts come in
ABSTRACT = ("comparison", "indication", "findings", "impression")
KAGGLE_COLUMNS = (
    "uid", "MeSH", "Problems", "image", "indication", "comparison", "findings", "impression",
)  # fmt: skip
HEADER_COLUMNS = (
    "imageid", "Bits Stored", "Modality", "Patient ID", "Photometric Interpretation", "View Position", "filename", "",
)  # fmt: skip
EXAM = "Xray Chest PA and Lateral"


def write(out: Path, *, patients: int, seed: int, like: Mapping[str, Any] | None = None) -> dict[str, object]:
    """Write the releases side by side: `out/xml` (with PNG and DICOM), `out/kaggle`, `out/r2gen`, `out/medvill`.

    The traps: `AbstractText` that is blank; MeSH terms by a program beside those by hand; authors' names, dates and
    exam names in the same file; reports without image, with a lateral alone, with two frontals; `No Indexing`;
    `XXXX`; image names that repeat the report's number, have a longer suffix, or a suffix that misleads about the view;
    DICOM and Kaggle names without `CXR`, Kaggle's with two suffixes; headers that call laterals PA or nothing, of which
    one image is missing, in a table with a nameless column; MONOCHROME1; R2Gen's test entries under a key of four
    blanks; MedViLL's labels in one string, `''` for none.

    Args:
        out: folder to write into.
        patients: phantom patients, three at least; each of their studies becomes a report.
        seed: of the phantom.
        like: the `data:` parameters of the real one; its `release` is the one that is read, `xml` where it names none.

    Returns:
        The `data:` parameters that read `out/RELEASE`; the others are read with their `release` and `root`.
    """
    reports = draw_reports(patients, seed)
    _write_xml(out / "xml", reports)
    _write_kaggle(out / "kaggle", [report for report in reports if report.pictures])
    _write_r2gen(out / "r2gen", [report for report in reports if len(report.pictures) > 1])
    _write_medvill(out / "medvill", [report for report in reports if report.pictures])
    release = (like or {}).get("release") or "xml"
    return {"name": "openi", "root": str(out / release), "release": release}


def _write_xml(root: Path, reports: list[Report]) -> None:
    (root / REPORTS).mkdir(parents=True, exist_ok=True)
    for report in reports:
        tree = ElementTree.ElementTree(_citation(report))
        ElementTree.indent(tree, "   ")
        tree.write(root / REPORTS / f"{report.number}.xml", encoding="utf-8", xml_declaration=True)
        for picture in report.pictures:
            write_picture(root / IMAGES["xml"] / f"{picture.name}.png", picture.pixels)
            dark = (report.number % 2) == 0
            path = root / "NLMCXR_dcm" / str(report.number) / f"{_dicom_name(picture)}.dcm"
            write_dicom(path, picture.pixels, bits=12, inverted=dark, ViewPosition=picture.header_view)
    rows = [_header(report, picture) for report in reports for picture in report.pictures]
    _write_gzip_csv(root / HEADERS, HEADER_COLUMNS, rows[:-1])


def _citation(report: Report) -> ElementTree.Element:
    root = ElementTree.Element("eCitation")
    _add(root, "meta", type="rr")
    _add(root, "uId", id=f"CXR{report.number}")
    _add(root, "ccLicense", "byncnd")
    _add(root, "note", "The data are drawn from phantoms.")
    article = _add(_add(root, "MedlineCitation", Owner="Phantom University"), "Article", PubModel="Electronic")
    _add(article, "ArticleTitle", "Phantom Chest X-ray Collection")
    abstract = _add(article, "Abstract")
    for name in ABSTRACT:
        _add(abstract, "AbstractText", report.sections[name], Label=name.upper())
    author = _add(_add(article, "AuthorList", CompleteYN="Y"), "Author", ValidYN="Y")
    _add(author, "LastName", "Nobody")
    _add(author, "ForeName", "Phantom")
    mesh = _add(root, "MeSH")
    for descriptor in report.descriptors:
        _add(mesh, "major", descriptor)
    if report.number % 2:
        _add(mesh, "automatic", "pneumothorax")
    for number, picture in enumerate(report.pictures, 1):
        image = _add(root, "parentImage", id=picture.name)
        _add(image, "figureId", f"F{number}")
        _add(image, "caption", EXAM)
        _add(_add(image, "panel", type="single"), "url", f"/extract/{picture.name}.jpg")
    return root


def _add(parent: ElementTree.Element, tag: str, text: str = "", **attributes: str) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, tag, attributes)
    child.text = text or None
    return child


def _dicom_name(picture: Picture) -> str:
    """`CXR1_1_IM-0001-3001` -> `1_IM-0001-3001`."""
    number, _, series = picture.name.removeprefix("CXR").partition("_IM-")
    return f"{number.partition('_')[0]}_IM-{series}"


def _header(report: Report, picture: Picture) -> dict[str, object]:
    name = _dicom_name(picture)
    return {
        "imageid": f"CXR{name}", "Bits Stored": 12, "Modality": "CR", "Patient ID": report.number,
        "Photometric Interpretation": f"MONOCHROME{2 - (report.number % 2 == 0)}",
        "View Position": picture.header_view, "filename": f"./{name}.dcm", "": "",
    }  # fmt: skip


def _write_kaggle(root: Path, reports: list[Report]) -> None:
    texts, projections = [], []
    for report in reports:
        problems = ";".join(dict.fromkeys(one.partition("/")[0] for one in report.descriptors))
        blank = " " if problems == "No Indexing" else ""
        row = {"uid": report.number, "MeSH": ";".join(report.descriptors), "Problems": blank + problems, "image": EXAM}
        texts.append(row | report.sections)
        for picture in report.pictures:
            name = f"{_dicom_name(picture)}.dcm.png"
            write_picture(root / IMAGES["kaggle"] / name, picture.pixels)
            side = "Lateral" if picture.lateral else "Frontal"
            projections.append({"uid": report.number, "filename": name, "projection": side})
    _write_text(root / KAGGLE_REPORTS, _csv(KAGGLE_COLUMNS, texts))
    _write_text(root / PROJECTIONS, _csv(("uid", "filename", "projection"), projections))


def _write_r2gen(root: Path, reports: list[Report]) -> None:
    groups: dict[str, list[dict[str, object]]] = {"train": [], "val": [], "    ": []}
    for report in reports:
        name = report.pictures[0].name.rpartition("-")[0]
        paths = [f"{name}/{place}.png" for place in range(2)]  # two of three are taken
        for path, picture in zip(paths, report.pictures[:2], strict=True):
            write_picture(root / IMAGES["r2gen"] / path, picture.pixels)
        entry: dict[str, object] = {
            "id": name,
            "report": report.sections["findings"],
            "image_path": paths,
            "split": report.split,
        }
        groups["    " if report.split == "test" else report.split].append(entry)
    _write_text(root / ANNOTATION, json.dumps(groups))


def _write_medvill(root: Path, reports: list[Report]) -> None:
    for split, name in MEDVILL_LISTS.items():
        lines = []
        for report in (report for report in reports if report.split == split):
            path = f"data/preprocessed/openi/{split}/{report.number}.jpg"
            write_picture(root / path, report.pictures[0].pixels)
            label = ", ".join(f"'{finding}'" for finding in report.named) or "''"
            text = max(report.sections["findings"], report.sections["impression"], key=len)
            lines.append(json.dumps({"id": str(report.number), "label": label, "text": text, "img": path}))
        _write_text(root / MEDVILL_FOLDER / name, "\n".join(lines) + "\n")


def _csv(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _write_gzip_csv(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    path.write_bytes(gzip.compress(_csv(columns, rows).encode(), mtime=0))
