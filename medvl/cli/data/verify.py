"""`medvl data verify FILE [STAGE]` or `medvl data verify DATASET [KEY=VALUE]...`."""

from __future__ import annotations

import csv
import io
import sys
from typing import TYPE_CHECKING

import click

from medvl.cli.data.targets import Target, read_targets, target_arguments

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from medvl.data.verify import Check


@click.command(
    help="Open every index file and every image, compare counts with the owner's and with `expect`, checksums with "
    "the owner's SHA256SUMS.txt, and stores with their own. Ends with 1 where something differs."
)
@target_arguments
@click.option("--quick", is_flag=True, help="Look whether images are there; open none, and add up no checksums.")
@click.option("--workers", type=click.IntRange(min=1), help="Threads; as many as the machine bears where left out.")
def command(
    source: str, rest: tuple[str, ...], plugin_files: tuple[str, ...], quick: bool, workers: int | None
) -> None:
    """A table a dataset, and a CSV of the files at fault."""
    differs = False
    for target in read_targets(source, rest, plugin_files):
        checks = _verify(target, quick, workers)
        _show(target, checks)
        differs |= any(check.state == "differs" for check in checks)
    if differs:
        sys.exit(1)


def _verify(target: Target, quick: bool, workers: int | None) -> list[Check]:
    from medvl.data import verify
    from medvl.data.cache import cache_folder
    from medvl.data.dataset import IMAGE
    from medvl.data.image_paths import HasImageFiles
    from medvl.data.store import stores_of
    from medvl.errors import DataError
    from medvl.runs.progress import PATIENCE, Progress

    dataset = target.dataset
    checks = verify.check_sources(dataset)
    if any(check.state == "differs" for check in checks):
        return checks  # without its index nothing more can be asked
    try:
        table = dataset.table()  # read anew: what is kept on the disk was read some other day
    except DataError as error:
        return [*checks, verify.Check("index files", "readable", "not readable", "differs", (("index", str(error)),))]
    checks += [verify.Check("study table", "readable", f"{table.num_rows:,} images", "ok"), *_counts(target, table)]
    checks.append(verify.check_files(dataset, table))
    if not quick:
        with Progress("opening images", table.num_rows, "image", patience=PATIENCE) as progress:
            checks.append(verify.check_images(dataset, table, workers, progress.reach))
    if isinstance(dataset, HasImageFiles):
        with Progress("checksums", None, "file", patience=PATIENCE) as progress:
            checks.append(verify.check_checksums(dataset, quick, workers, progress.reach))
    for folder in stores_of(dataset, table.column(IMAGE), cache_folder("images")):
        with Progress(f"store {folder.name}", None, "shard", patience=PATIENCE) as progress:
            checks.append(verify.check_store(folder, quick, workers, progress.reach))
    return checks


def _counts(target: Target, table: pa.Table) -> list[Check]:
    """The owner's counts, and what each stage expects."""
    from medvl.data.image_paths import HasImageFiles
    from medvl.data.lints.suite import splits_as_they_are
    from medvl.data.miniature import is_miniature
    from medvl.data.verify import Check, check_counts, check_expected

    dataset = target.dataset
    checks = []
    if isinstance(dataset, HasImageFiles) and is_miniature(dataset.root):
        checks.append(Check("counts of the release", "the owner's", "a miniature", "skipped"))
    else:
        checks += check_counts(table, dataset.official)
    for place, selection in enumerate(target.selections):
        expect = selection.expected(dataset.expectations)
        if expect:
            splits = splits_as_they_are(target.cases(selection), selection, target.seed)
            title = target.stages[place] if target.stages else "expect"
            checks += check_expected(splits, expect, title, "questions" if selection.asks else "images")
    return checks


def _show(target: Target, checks: list[Check]) -> None:
    from medvl.runs.tables import Table

    rows = [[check.what, check.expected, check.found, check.state] for check in checks]
    Table(target.title, ["check", "expected", "found", "state"], rows).show()
    problems = [(check.what, *problem) for check in checks for problem in check.problems]
    if problems:
        click.echo(f"{len(problems):,} problems, each with its reason: {_write(target, problems)}")


def _write(target: Target, problems: list[tuple[str, str, str]]) -> Path:
    """The CSV stays in the cache: it names files, whose names may name patients."""
    from medvl.data.cache import cache_folder
    from medvl.files import write_text_atomic

    text = io.StringIO(newline="")
    csv.writer(text).writerows([("check", "reference", "reason"), *problems])
    return write_text_atomic(cache_folder("verify") / f"{target.component.name}.csv", text.getvalue())
