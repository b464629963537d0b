"""Whether a dataset on the disk is what its owner gave out: files, images, counts, checksums, stores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import IMAGE, SPLIT, SPLITS, Dataset
from medvl.data.image_paths import HasImageFiles
from medvl.data.shards import intact, shard_count
from medvl.data.statistics import count_units
from medvl.data.store import ImageStore
from medvl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKSUMS = "SHA256SUMS.txt"  # PhysioNet's releases hold it
CHUNK = 64  # images that a thread opens at a time

State = Literal["ok", "differs", "skipped"]
Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        what: in a few words.
        expected, found: what was hoped for and what is there, for a table.
        state: `skipped` where it could not be asked, or was not.
        problems: (reference, reason) of each file at fault.
    """

    what: str
    expected: str
    found: str
    state: State
    problems: tuple[tuple[str, str], ...] = field(default=())


def check_sources(dataset: Dataset) -> list[Check]:
    """One check for each file or folder that the dataset is read from; what adds to it may be absent."""
    checks = []
    for source in dataset.sources():
        state: State = "ok" if source.present else "differs" if source.needed else "skipped"
        checks.append(Check(source.what, "there" if source.needed else "optional", _there(source.present), state))
    return checks


def check_counts(table: pa.Table, official: Mapping[str, int]) -> list[Check]:
    """The owner's counts against the table's."""
    counts = count_units(table)
    if SPLIT in table.column_names:
        counts |= {name: pc.sum(pc.equal(table.column(SPLIT), name)).as_py() or 0 for name in SPLITS}
    checks = []
    for name, expected in official.items():
        what = f"{name} of the release" if name not in SPLITS else f"images in the official {name}"
        found = counts.get(name)
        if found is None:
            checks.append(Check(what, f"{expected:,}", "no official split", "skipped"))
        else:
            checks.append(_equal(what, expected, found))
    return checks


def check_expected(splits: np.ndarray, expect: Mapping[str, int], title: str, unit: str = "images") -> list[Check]:
    """What an experiment expects of its splits.

    Args:
        splits: (N,) int8 places in `SPLITS`, -1 outside the cohort.
        expect: split -> cases.
        title: whose expectation it is.
        unit: what the cases are.
    """
    counts = np.bincount(splits[splits >= 0], minlength=len(SPLITS))
    return [
        _equal(f"{title}: {unit} in {name}", number, int(counts[SPLITS.index(name)])) for name, number in expect.items()
    ]


def check_files(dataset: Dataset, table: pa.Table) -> Check:
    """Every image is there; nothing is opened."""
    references = table.column(IMAGE).to_pylist()
    absent = [references[place] for place in dataset.missing(references)]
    problems = tuple((reference, "missing") for reference in absent)
    found = f"{len(references) - len(absent):,} there"
    return Check("image files", f"{len(references):,}", found, "differs" if absent else "ok", problems)


def check_images(dataset: Dataset, table: pa.Table, workers: int | None, tell: Tell) -> Check:
    """Every image opens, to the last pixel.

    Args:
        dataset: decodes, in several threads at once.
        table: its study table.
        workers: threads; as many as the machine bears where None.
        tell: called with (images done, images in all).
    """
    references = table.column(IMAGE).to_pylist()
    chunks = [references[start : start + CHUNK] for start in range(0, len(references), CHUNK)]
    problems: list[tuple[str, str]] = []
    done = 0
    with _pool(workers) as pool:
        for chunk, bad in zip(chunks, pool.map(lambda names: _unreadable(dataset, names), chunks), strict=True):
            problems += bad
            done += len(chunk)
            tell(done, len(references))
    found = f"{len(references) - len(problems):,} open"
    return Check("images", f"{len(references):,}", found, "differs" if problems else "ok", tuple(problems))


def check_checksums(dataset: HasImageFiles, quick: bool, workers: int | None, tell: Tell) -> Check:
    """The bytes of every file that the owner's checksum list names and that is there.

    Args:
        dataset: the list is looked for in its root.
        quick: of the index files alone.
        workers, tell: as of `check_images`; files are counted.
    """
    listed = _listed(dataset.root / CHECKSUMS)
    what = "checksums of the index files" if quick else "checksums"
    if not listed:
        return Check(what, f"the owner's {CHECKSUMS}", "none there", "skipped")
    if quick:
        index = {path.resolve() for path in dataset.index_files()}
        listed = {path: digest for path, digest in listed.items() if path.resolve() in index}
    present = [path for path in listed if path.is_file()]
    problems = []
    with _pool(workers) as pool:
        for done, (path, digest) in enumerate(zip(present, pool.map(_sha256, present), strict=True), 1):
            if digest != listed[path]:
                problems.append((str(path.relative_to(dataset.root)), "differs from the owner's checksum"))
            tell(done, len(present))
    found = f"{len(present) - len(problems):,} equal, {len(listed) - len(present):,} not there"
    return Check(what, f"{len(listed):,} files", found, "differs" if problems else "ok", tuple(problems))


def check_store(folder: Path, quick: bool, workers: int | None, tell: Tell) -> Check:
    """The shards of a decoded-image store against their checksums; `quick` looks at their records alone."""
    what = f"store {folder.name}"
    try:
        store = ImageStore(folder)
    except DataError:
        return Check(what, "whole", "unfinished", "skipped")
    numbers = range(shard_count(len(store)))
    if quick:
        return Check(what, "whole", f"{len(numbers)} shards recorded", "ok")
    problems = []
    with _pool(workers) as pool:
        whole = pool.map(lambda number: intact(folder, number, store.side), numbers)
        for number, good in zip(numbers, whole, strict=True):
            if not good:
                problems.append((f"{folder.name}: shard {number}", "differs from its checksum"))
            tell(number + 1, len(numbers))
    found = f"{len(numbers) - len(problems)} of {len(numbers)} shards whole"
    return Check(what, "whole", found, "differs" if problems else "ok", tuple(problems))


def _unreadable(dataset: Dataset, references: Sequence[str]) -> list[tuple[str, str]]:
    images = dataset.read_images(list(references))
    return [
        (reference, " ".join(str(image).split()) or type(image).__name__)
        for reference, image in zip(references, images, strict=True)
        if isinstance(image, Exception)
    ]


def _listed(path: Path) -> dict[Path, str]:
    """file -> SHA-256, of a list as `sha256sum` writes it; nothing where there is no list."""
    if not path.is_file():
        return {}
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        digest, _, name = line.strip().partition(" ")
        if not line.strip():
            continue
        if len(digest) != 64 or not name.strip():
            raise DataError(f"{path}: line {number} is not `SHA256 FILE`. do: fetch the list again")
        found[path.parent / name.strip().removeprefix("*")] = digest.lower()
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _pool(workers: int | None) -> Iterator[ThreadPoolExecutor]:
    """Threads that do not finish the whole queue after an interrupt."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="medvl-verify")
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _equal(what: str, expected: int, found: int) -> Check:
    return Check(what, f"{expected:,}", f"{found:,}", "ok" if expected == found else "differs")


def _there(present: bool) -> str:
    return "there" if present else "missing"
