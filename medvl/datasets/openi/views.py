"""Open-I's image names, which differ from file to file, and the views, which its reports do not tell."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.table_file import read_columns
from medvl.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".dcm")
_SUFFIXES = re.compile(r"(\.(png|jpg|jpeg|dcm))+$", re.IGNORECASE)
_REPORT = re.compile(r"^(?:CXR)?(\d+)(?:_\d+)?_IM")
HEADER_VIEWS = {
    "PA": "PA", "AP": "AP", "LL": "LATERAL", "RL": "LATERAL", "LATERAL": "LATERAL", "LARGE LATERAL": "LATERAL"
}  # fmt: skip
LATERAL, FRONTAL = "LATERAL", "FRONTAL"


def image_key(name: str) -> str:
    """What all spellings of an image's name share, `<report>_IM-...`.

    `CXR1_1_IM-0001-3001` (reports), `CXR1_IM-0001-3001` (headers), `1_IM-0001-3001.dcm.png` (Kaggle) are one image.
    """
    return _REPORT.sub(r"\1_IM", _SUFFIXES.sub("", name))


def images_in(folder: Path) -> dict[str, Path]:
    """The image files in a folder, however deep, by the key of their names.

    Raises:
        DataError: two files of one image.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        key = image_key(path.name)
        if key in found:
            raise DataError(
                f"{folder}: holds an image twice, {found[key].relative_to(folder)} and {path.relative_to(folder)}. "
                "do: name a folder that holds each once in `images`"
            )
        found[key] = path
    return found


def views_of(names: pa.ChunkedArray, headers: Path, projections: Path) -> pa.Array:
    """Views of images: PA, AP, FRONTAL (which of the two is not known), LATERAL, or null.

    Kaggle's projections decide where they are there. The DICOM headers do not: by the projections, 1,368 of the
    3,593 images that they call PA are laterals, and of 2,586 they say nothing. They tell PA from AP.

    Args:
        names: images in any spelling.
        headers: `nlmcxr_dicom_metadata.csv.gz`; may be missing.
        projections: `indiana_projections.csv`; may be missing.
    """
    keys = _keys(names)
    view = pa.nulls(len(keys), pa.string())
    if headers.is_file():
        table = read_columns(headers, ["imageid", "View Position"])
        spelt = _looked_up(keys, table.column("imageid"), table.column("View Position"))
        given = pc.index_in(pc.utf8_upper(spelt), pa.array(list(HEADER_VIEWS)))
        view = pa.array(list(HEADER_VIEWS.values())).take(given)
    if projections.is_file():
        table = read_columns(projections, ["filename", "projection"])
        side = pc.utf8_upper(_looked_up(keys, table.column("filename"), table.column("projection")))
        frontal = pc.if_else(pc.is_in(view, pa.array(["PA", "AP"])), view, FRONTAL)
        view = pc.case_when(
            pc.make_struct(pc.equal(side, LATERAL), pc.equal(side, FRONTAL)), pa.scalar(LATERAL), frontal, view
        )
    return view


def _looked_up(keys: pa.Array, names: pa.ChunkedArray, values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.take(pc.index_in(keys, _keys(names)))


def _keys(names: pa.ChunkedArray) -> pa.Array:
    return pa.array([image_key(name) for name in names.to_pylist()], pa.string())
