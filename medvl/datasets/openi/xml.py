"""The report files of Open-I: `ecgen-radiology/<n>.xml`, one a report."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa

from medvl.errors import DataError

SECTIONS = ("indication", "comparison", "findings", "impression")
READERS = 8  # files open at once: on a network file system each waits, and there are thousands


@dataclass(frozen=True)
class Collection:
    """Reports, and the images that they are of.

    Attributes:
        reports: `report` (string: its number), a column of text for each of `SECTIONS` (null where blank), and `mesh`
            (list of strings: descriptors).
        images: `report` and `image` (strings), one row an image.
    """

    reports: pa.Table
    images: pa.Table


@dataclass(frozen=True)
class _Report:
    path: Path
    number: str
    sections: dict[str, str | None]
    mesh: list[str]
    images: list[str]


def report_files(folder: Path) -> list[Path]:
    """The report files of a folder, in order; without the `._` companions that one system leaves beside them."""
    return sorted(path for path in folder.glob("*.xml") if not path.name.startswith("."))


def read_xml(paths: Sequence[Path]) -> Collection:
    """Read report files. Each costs 0.15 ms, so nothing is kept between runs.

    Raises:
        DataError: a file that is not XML, declares entities, or lacks the report's number; two with the same number.
    """
    with ThreadPoolExecutor(READERS) as pool:
        reports = [_read(path, content) for path, content in zip(paths, pool.map(Path.read_bytes, paths), strict=True)]
    _require_distinct(reports)
    numbers = pa.array([report.number for report in reports], pa.string())
    columns: dict[str, pa.Array] = {"report": numbers}
    columns |= {name: pa.array([report.sections[name] for report in reports], pa.string()) for name in SECTIONS}
    columns["mesh"] = pa.array([report.mesh for report in reports], pa.list_(pa.string()))
    images = {
        "report": pa.array([report.number for report in reports for _ in report.images], pa.string()),
        "image": pa.array([image for report in reports for image in report.images], pa.string()),
    }
    return Collection(pa.table(columns), pa.table(images))


def _read(path: Path, content: bytes) -> _Report:
    root = _parse(path, content)
    found = root.find("uId")
    number = "" if found is None else found.get("id", "").removeprefix("CXR")
    if not number:
        raise DataError(f"{path}: has no uId, the report's number. do: fetch it again")
    # The root holds authors, dates and captions too, so text comes from nowhere but the abstract.
    sections: dict[str, str | None] = dict.fromkeys(SECTIONS)
    for section in root.iterfind("MedlineCitation/Article/Abstract/AbstractText"):
        name = section.get("Label", "").strip().lower()
        text = " ".join("".join(section.itertext()).split())
        if name in sections and text:
            sections[name] = text
    # `MeSH/automatic` is mined from the text by a program; only what people gave is read.
    mesh = [(major.text or "").strip() for major in root.iterfind("MeSH/major")]
    images = [image.get("id", "") for image in root.iterfind("parentImage")]
    return _Report(path, number, sections, [descriptor for descriptor in mesh if descriptor], images)


def _parse(path: Path, content: bytes) -> ElementTree.Element:
    """The root of a file that declares no entities: those can grow without bound or name other files."""
    try:
        text = content.decode("utf-8-sig")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise DataError(f"{path}: declares a document type, which no report does. do: fetch it from its owner")
        return ElementTree.fromstring(text)
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not encoded in UTF-8. do: fetch it again") from None
    except ElementTree.ParseError as error:
        line, column = error.position
        raise DataError(f"{path}: line {line}, column {column + 1}: is not XML. do: fetch it again") from None


def _require_distinct(reports: list[_Report]) -> None:
    seen: dict[str, Path] = {}
    for report in reports:
        if report.number in seen:
            raise DataError(
                f"{report.path}: is the same report as {seen[report.number].name}. do: keep one of the two files"
            )
        seen[report.number] = report.path
