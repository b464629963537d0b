"""Split lists as papers publish them: a text file a split, `path label` a line."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import SPLITS
from medvl.errors import DataError


def read_lists(files: dict[str, Path], labels: dict[str, int]) -> pa.Table:
    """All lists of a split, one row a line: `name`, `split` (strings) and `label` (int8).

    Blanks at a line's end, CRLF and a last line without an end are understood; empty lines do not count.

    Args:
        files: split (train, val, test) -> its list.
        labels: what may stand behind a name -> the label it means, misspellings that circulate included.

    Raises:
        DataError: no such file; a line that is not a name and one of `labels` (names the line); a name listed twice.
    """
    lists = pa.concat_tables([_read_list(files[split], split, labels) for split in SPLITS if split in files])
    twice = lists.num_rows - pc.count_distinct(lists.column("name")).as_py()
    if twice:
        raise DataError(
            f"{', '.join(path.name for path in files.values())} in {next(iter(files.values())).parent}: {twice} lines "
            "name an image that is listed before. do: keep each image in one list, or a test image is learnt from"
        )
    return lists


def _read_list(path: Path, split: str, labels: dict[str, int]) -> pa.Table:
    if not path.is_file():
        raise DataError(f"{path}: there is no such file. do: put the lists of the paper's repository there")
    lines = pc.utf8_trim_whitespace(pa.array(path.read_text(encoding="utf-8").splitlines(), pa.string()))
    kept = pc.not_equal(lines, "")
    parts = pc.extract_regex(lines, pattern=r"^(?P<name>.*\S)\s+(?P<label>\S+)$")
    known = list(labels)
    places = pc.index_in(pc.struct_field(parts, "label"), pa.array(known, pa.string()))
    bad = pc.and_(kept, pc.is_null(places))
    if pc.any(bad).as_py():
        line = pc.index(bad, True).as_py() + 1
        raise DataError(f"{path}: line {line} is not a file's name and one of {', '.join(known)}. do: correct the line")
    meanings = pa.array([labels[name] for name in known], pa.int8())
    columns = {
        "name": pc.struct_field(parts, "name").filter(kept),
        "split": pa.repeat(pa.scalar(split, pa.string()), pc.sum(kept).as_py() or 0),
        "label": meanings.take(places.filter(kept)),
    }
    return pa.table(columns)
