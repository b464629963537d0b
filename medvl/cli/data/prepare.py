"""`medvl data prepare FILE [STAGE]` or `medvl data prepare DATASET --size N [KEY=VALUE]...`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medvl.cli.data.targets import (
    names_experiment,
    read_targets,
    require_stage,
    stage_and_overrides,
    target_arguments,
)
from medvl.cli.options import load_experiment

if TYPE_CHECKING:
    from medvl.data.dataset import Dataset
    from medvl.data.selection import Selection
    from medvl.data.store import ImageStore

STOPPED = 130  # the exit code of a program that Ctrl-C ended


@dataclass(frozen=True)
class Wanted:
    """A store to build: for whom, of what, and how large."""

    title: str
    dataset: Dataset
    selection: Selection
    side: int


@click.command(
    help="Decode and scale every image once and keep it, for every size that an experiment's views need, or for a "
    "DATASET at --size. Interrupted, it goes on where it stopped; a later `medvl run` finds the store."
)
@target_arguments
@click.option(
    "--size", "sizes", multiple=True, type=click.IntRange(min=1), help="Side in pixels; may be given several times."
)
@click.option("--workers", type=click.IntRange(min=1), help="Decoding threads; one a processor where left out.")
def command(
    source: str, rest: tuple[str, ...], plugin_files: tuple[str, ...], sizes: tuple[int, ...], workers: int | None
) -> None:
    """One store after another; a table at the end."""
    wanted = (
        _of_stages(source, rest, plugin_files, sizes)
        if names_experiment(source)
        else _named(source, rest, plugin_files, sizes)
    )
    try:
        built = [(each, _build(each, workers)) for each in wanted]
    except KeyboardInterrupt:
        click.echo("\nstopped; what is decoded stays. the same command goes on from there", err=True)
        sys.exit(STOPPED)
    _show(built)


def _of_stages(
    source: str, rest: tuple[str, ...], plugin_files: tuple[str, ...], sizes: tuple[int, ...]
) -> list[Wanted]:
    """What the stages' objectives read through their views: the very stores that `medvl run` would build."""
    from medvl.engine.assemble import build_dataset
    from medvl.engine.check import check_experiment

    if sizes:
        raise click.UsageError("--size is for a dataset; the views of an experiment say theirs")
    stage, overrides = stage_and_overrides(rest)
    experiment, _ = load_experiment(Path(source), overrides, plugin_files)
    require_stage(stage, list(experiment.stages))
    wanted: dict[str, Wanted] = {}
    for name, plan in check_experiment(experiment).items():
        if plan.views and stage in (None, name):
            key = f"{plan.stage.data.plain()} {plan.source} {plan.stage.selection.fit}"
            earlier = f"{wanted[key].title}, " if key in wanted else ""
            wanted[key] = Wanted(earlier + name, build_dataset(plan.stage), plan.stage.selection, plan.source)
    return list(wanted.values())


def _named(source: str, rest: tuple[str, ...], plugin_files: tuple[str, ...], sizes: tuple[int, ...]) -> list[Wanted]:
    if not sizes:
        raise click.UsageError(f"say how large: medvl data prepare {source} --size 224 ...")
    (target,) = read_targets(source, rest, plugin_files)
    return [Wanted(target.title, target.dataset, target.selection, side) for side in dict.fromkeys(sizes)]


def _build(wanted: Wanted, workers: int | None) -> ImageStore:
    from medvl.data.cache import cache_folder
    from medvl.data.dataset import IMAGE
    from medvl.data.store import build_store
    from medvl.data.study_table import open_table
    from medvl.runs.progress import Progress

    selection = wanted.selection
    references = open_table(wanted.dataset).column(IMAGE)
    with Progress(f"{wanted.title}: decoding to {wanted.side} pixels", len(references), "image") as progress:

        def tell(done: int, total: int) -> None:
            if progress.done == 0:
                progress.resume(done)  # with the shards of an earlier run, which cost this one nothing
            progress.reach(done, total)

        store = build_store(
            wanted.dataset, references, side=wanted.side, fit=selection.fit, decode=selection.decode,
            folder=cache_folder("images"), max_bad=selection.max_bad, workers=workers, progress=tell,
        )  # fmt: skip
        if progress.done == 0:
            progress.resume(len(store))  # found whole
    return store


def _show(built: list[tuple[Wanted, ImageStore]]) -> None:
    from medvl.runs.tables import Table, spell_bytes

    if not built:
        click.echo("no stage looks at images; there is nothing to decode")
        return
    rows = []
    for wanted, store in built:
        size = sum(path.stat().st_size for path in store.folder.iterdir())
        bad = int((~store.good).sum())
        rows.append(
            [wanted.title, f"{store.side}", wanted.selection.fit, f"{len(store):,}", f"{bad:,}", spell_bytes(size)]
        )
    Table("decoded images", ["", "pixels", "fit", "images", "unreadable", "on disk"], rows).show()
    for _, store in built:
        click.echo(f"{store.folder}")
        if not store.good.all():
            click.echo(f"    unreadable images and why: {store.bad_file}")
