"""Open-I as others give it out: Kaggle's two CSVs, R2Gen's annotation.json, MedViLL's JSONL lists."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import LABEL_PREFIX, SPLIT
from medvl.data.json_file import read_json
from medvl.data.table_file import read_columns
from medvl.datasets.folder.cells import SPLIT_SPELLINGS, labels_in_lists
from medvl.datasets.openi.mesh import CHEXPERT
from medvl.datasets.openi.sources import MEDVILL_LISTS
from medvl.datasets.openi.xml import SECTIONS, Collection
from medvl.errors import DataError, unknown


def read_kaggle(reports: Path, projections: Path) -> Collection:
    """Kaggle's tables: 3,851 reports, those that have images.

    Raises:
        DataError: an image of a report that is not there; see also `read_columns`.
    """
    cells = read_columns(reports, ["uid", "MeSH", *SECTIONS])
    mesh = pc.split_pattern(pc.fill_null(cells.column("MeSH"), ""), ";").combine_chunks()
    table = pa.table({"report": cells["uid"]} | {name: cells[name] for name in SECTIONS} | {"mesh": mesh})
    images = read_columns(projections, ["uid", "filename"]).rename_columns(["report", "image"])
    strange = pc.sum(pc.invert(pc.is_in(images["report"], cells["uid"].combine_chunks()))).as_py()
    if strange:
        raise DataError(
            f"{projections}: {strange} images are of reports that {reports.name} does not have. "
            "do: take both files of one download"
        )
    return Collection(table, images)


def read_r2gen(path: Path) -> pa.Table:
    """R2Gen's list, one row an image: `report` (number), `image`, `findings`, `split`.

    The entry's own `split` counts: a copy that goes round has the test entries under a key of four blanks.

    Raises:
        DataError: not R2Gen's JSON; an entry lacks something, or is of an unknown split.
    """
    groups = read_json(path)
    if not isinstance(groups, dict):
        raise DataError(f"{path}: is not R2Gen's annotation.json, an object of lists. do: fetch it again")
    rows: list[tuple[str, str, str | None, str]] = []
    for key, entries in groups.items():
        for number, entry in enumerate(entries, 1):
            try:
                split = SPLIT_SPELLINGS[entry["split"].strip().lower()]
                text = " ".join(entry["report"].split()) or None
                rows += [(entry["id"], image, text, split) for image in entry["image_path"]]
            except (KeyError, TypeError, AttributeError):
                raise DataError(
                    f"{path}: entry {number} under '{key}' needs id, report, image_path (a list) and split "
                    f"({', '.join(SPLIT_SPELLINGS)}). do: fetch the file again"
                ) from None
    names = ("report", "image", "findings", SPLIT)
    table = pa.table({name: pa.array([row[k] for row in rows], pa.string()) for k, name in enumerate(names)})
    number = pc.replace_substring_regex(table["report"], r"^CXR(\d+)_.*$", r"\1")
    return table.set_column(0, "report", number)


def read_medvill(folder: Path) -> pa.Table:
    """MedViLL's three lists, one row an image: `report` (number), `image`, `text`, `split` and the label columns.

    `label` is one string, `'Edema', 'Pneumonia'`, of what the CheXpert labeler found in the text, so 1 where a finding
    is named and 0 elsewhere; `''` names none.

    Raises:
        DataError: a finding that the CheXpert labeler does not have; see also `read_columns`.
    """
    parts = []
    for split, name in MEDVILL_LISTS.items():
        cells = read_columns(folder / name, ["id", "img", "text", "label"])
        found = pc.replace_substring(pc.fill_null(cells["label"], ""), "'", "")
        _require_known(folder / name, found)
        columns = {"report": cells["id"], "image": cells["img"], "text": cells["text"]}
        columns[SPLIT] = pa.array([split] * cells.num_rows, pa.string())
        labels = labels_in_lists(found, tuple(CHEXPERT), ",")
        parts.append(pa.table(columns | {LABEL_PREFIX + label: column for label, column in labels.items()}))
    return pa.concat_tables(parts)


def _require_known(path: Path, found: pa.ChunkedArray) -> None:
    named = pc.unique(pc.utf8_trim_whitespace(pc.list_flatten(pc.split_pattern(found, ","))))
    strange = sorted(set(named.to_pylist()) - set(CHEXPERT) - {""})
    if strange:
        raise DataError(f"{path}: {unknown('label', strange[0], CHEXPERT)}")
