"""MIMIC-CXR's reports: where they lie, their sections by study, and a cache, for they are 227,835 small files."""

from __future__ import annotations

import hashlib
import logging
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from medvl.data.cache import cache_folder
from medvl.data.report_sections import CONCLUSIONS, SECTIONS, one_line, sections_of, unix_lines
from medvl.data.table_file import read_columns
from medvl.datasets.mimic_cxr import by_hand
from medvl.errors import DataError
from medvl.files import write_atomic
from medvl.lock import hold

STUDY = "study"
RULES = 1  # raise when sections come out otherwise than before: caches are then built anew
THREADS, CHUNK = 16, 512  # waiting for a file system, not computing, takes the time
PATIENCE = 15.0  # seconds between lines of the log

Progress = Callable[[int, int], None]
T = TypeVar("T")
U = TypeVar("U")

log = logging.getLogger(__name__)


def sections_in(reports: Path) -> tuple[str, ...]:
    """The sections that this form of the reports gives; follows from the path alone."""
    return (*CONCLUSIONS, "conclusion") if is_sectioned(reports) else SECTIONS


def is_sectioned(reports: Path) -> bool:
    """Whether it is the table that the owner's `create_section_files.py` writes (`mimic_cxr_sectioned.csv`)."""
    return reports.name.lower().endswith((".csv", ".csv.gz"))


def folder_times(reports: Path) -> tuple[tuple[str, int], ...]:
    """Name and time of change of the folder of a release's patients and of its ten groups; nothing for a file."""
    if not reports.is_dir():
        return ()
    files = _files(reports)
    folders = [files, *(path for path in sorted(files.glob("p1[0-9]")) if path.is_dir())]
    return tuple((folder.name, folder.stat().st_mtime_ns) for folder in folders)


def read_reports(
    reports: Path, studies: Sequence[str], names: Sequence[str], progress: Progress | None = None
) -> pa.Table:
    """Sections of all studies, one row each, read once and then kept in the cache folder.

    Where a section is missing or blank it is null. The cache is as confidential as the reports.

    Args:
        reports: the folder that holds `files` (or `files` itself), `mimic-cxr-reports.zip`, or the table that the
            owner's `create_section_files.py` writes, which leaves out the 54 studies that the owner divided by hand.
        studies: their numbers (`50414267`), each once.
        names: of their reports, below `files` (`p10/p10000032/s50414267.txt`).
        progress: called in this thread with (reports read, reports in all); lines in the log where None.

    Returns:
        Columns `study` and `sections_in(reports)`, rows in the order of `studies`.

    Raises:
        DataError: the path holds no reports, or none of these studies; names the path and the files looked for.
    """
    if is_sectioned(reports):
        return _read_sectioned(reports, studies)
    folder = cache_folder("reports")
    kept = folder / f"mimic_cxr-{_key(reports, studies, names)}.parquet"
    if not kept.is_file():
        with hold(folder, wait=True):
            if not kept.is_file():  # another process may have read them meanwhile
                table = _read_texts(reports, studies, names, progress or _Lines(kept))
                buffer = BytesIO()
                pyarrow.parquet.write_table(table, buffer, compression="zstd")
                write_atomic(kept, lambda file: file.write(buffer.getbuffer()))
    return pyarrow.parquet.read_table(kept)


def _key(reports: Path, studies: Sequence[str], names: Sequence[str]) -> str:
    """A hash of the studies, and of size and time of change of every report; nothing is opened."""
    digest = hashlib.blake2b(f"{RULES} {reports.resolve()}\n".encode(), digest_size=8)
    digest.update("\n".join(studies).encode())
    files = [_files(reports) / name for name in names] if reports.is_dir() else [reports]
    for part in _in_threads(_size_and_time, files):
        digest.update(repr(part).encode())
    return digest.hexdigest()


def _files(reports: Path) -> Path:
    return reports / "files" if (reports / "files").is_dir() else reports


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


def _in_threads(work: Callable[[T], U], items: Sequence[T]) -> Iterator[list[U]]:
    """What `work` makes of each, in chunks, in order."""
    chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
    with ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(lambda chunk: [work(item) for item in chunk], chunks)


@contextmanager
def _opened(reports: Path) -> Iterator[Callable[[str], bytes | None]]:
    """A function from a report's name to its bytes, None where there is none; threads may share it."""
    if reports.is_dir():
        files = _files(reports)
        yield lambda name: _bytes(files / name)
        return
    if not zipfile.is_zipfile(reports):
        raise DataError(
            f"{reports}: is neither a folder, a zip nor a CSV of reports. do: name the folder that holds 'files', "
            "or mimic-cxr-reports.zip"
        )
    with zipfile.ZipFile(reports) as archive:
        known = set(archive.namelist())
        yield lambda name: archive.read(f"files/{name}") if f"files/{name}" in known else None


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _read_texts(reports: Path, studies: Sequence[str], names: Sequence[str], progress: Progress) -> pa.Table:
    columns: dict[str, list[str | None]] = {name: [] for name in SECTIONS}
    missing = done = 0
    with _opened(reports) as read:

        def divide(one: tuple[str, str]) -> dict[str, str] | None:
            study, name = one
            content = read(name)
            return None if content is None else sections_of_study(study, content.decode("utf-8", "replace"))

        for part in _in_threads(divide, list(zip(studies, names, strict=True))):
            missing += part.count(None)
            for name, column in columns.items():
                column += [None if found is None else found.get(name) for found in part]
            done += len(part)
            progress(done, len(studies))
    _require_some(reports, missing, studies, "files/pNN/pNNNNNNNN/sNNNNNNNN.txt")
    return pa.table({STUDY: pa.array(studies, pa.string())} | {n: pa.array(c, pa.string()) for n, c in columns.items()})


def sections_of_study(study: str, text: str) -> dict[str, str]:
    """`sections_of`, with the conclusion of 54 studies where the owner found it by hand."""
    found = sections_of(text)
    if study in by_hand.CONCLUSION_SECTION:
        found["conclusion"] = found.get(by_hand.CONCLUSION_SECTION[study], "")
    elif study in by_hand.CONCLUSION_RANGE:
        start, end = by_hand.CONCLUSION_RANGE[study]
        found["conclusion"] = one_line(unix_lines(text)[start:end])
    return {name: body for name, body in found.items() if body}


def _read_sectioned(path: Path, studies: Sequence[str]) -> pa.Table:
    rows = read_columns(path, [STUDY, *CONCLUSIONS])
    places = pc.index_in(pa.array([f"s{study}" for study in studies]), rows.column(STUDY).combine_chunks())
    _require_some(path, places.null_count, studies, f"sNNNNNNNN in column '{STUDY}'")
    joined = [pc.replace_substring_regex(rows.column(name), r"\s+", " ").take(places) for name in CONCLUSIONS]
    columns = dict(zip(CONCLUSIONS, joined, strict=True)) | {"conclusion": pc.coalesce(*joined)}
    return pa.table({STUDY: pa.array(studies, pa.string())} | columns)


def _require_some(reports: Path, missing: int, studies: Sequence[str], form: str) -> None:
    if missing == len(studies):
        raise DataError(
            f"{reports}: holds no report of the {len(studies)} studies; looked for {form}. "
            "do: name the folder that holds 'files', mimic-cxr-reports.zip, or mimic_cxr_sectioned.csv"
        )
    if missing:
        log.warning("%s: %d of %d studies have no report there; they have no text", reports, missing, len(studies))


class _Lines:
    """Tells the log now and then how many reports are read."""

    def __init__(self, kept: Path) -> None:
        self._kept, self._shown = kept, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._shown >= PATIENCE:
            self._shown = time.monotonic()
            log.warning(
                "mimic_cxr: %d of %d reports read; this is done once, they are kept in %s", done, total, self._kept
            )
