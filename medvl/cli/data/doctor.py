"""`medvl data doctor FILE [STAGE]` or `medvl data doctor DATASET [KEY=VALUE]...`."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medvl.cli.data.targets import Target, names_experiment, read_targets, stage_and_overrides, target_arguments
from medvl.cli.options import load_experiment
from medvl.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from medvl.data.lints.finding import Finding
    from medvl.data.source import Source
    from medvl.engine.plan import Plan

SIDES = (224, 512)  # pixels; what papers mostly train at, for a dataset that no experiment says more of
COLOURS = {"error": "red", "warning": "yellow"}


@click.command(
    help="Name every missing file and where it is obtained, absent decoders, and the room on the disk; then look for "
    "what spoils results: patients or images on two sides, labels that the input says, flips beside left and right, "
    "labels that cannot be measured. Ends with 1 where something must be mended."
)
@target_arguments
@click.option("--quick", is_flag=True, help="Do not compare the images' files, which reads a piece of many.")
def command(source: str, rest: tuple[str, ...], plugin_files: tuple[str, ...], quick: bool) -> None:
    """What there is, what is suspicious, what to do next."""
    targets = read_targets(source, rest, plugin_files)
    missing = [absent for target in targets for absent in _show_sources(target)]
    _show_decoders()
    if missing:
        _say_where(missing)
        again = shlex.join(["medvl", "data", "doctor", source, *rest])
        click.echo(f"next: obtain what is missing, then once more: {again}")
        sys.exit(1)
    plans, problems = _plans(source, rest, plugin_files)
    findings: list[Finding] = []
    for target in targets:
        mine = [plans[stage] for stage in target.stages if stage in plans]
        _show_room(target, sorted({plan.source for plan in mine if plan.views}) if plans else SIDES)
        findings += _findings(target, mine, quick)
    _show_findings(findings, problems)
    spoilt = bool(problems) or any(finding.severity == "error" for finding in findings)
    if not spoilt:
        size = "" if names_experiment(source) else f" --size {SIDES[0]}"
        click.echo(f"next: {shlex.join(['medvl', 'data', 'prepare', source, *rest])}{size}")
    sys.exit(1 if spoilt else 0)


def _show_sources(target: Target) -> list[Source]:
    """The table of a dataset's files; gives the needed ones that are missing."""
    from medvl.runs.tables import Table

    sources = target.dataset.sources()
    rows = [[source.what, _state(source), str(source.path)] for source in sources]
    if rows:
        Table(target.title, ["file or folder", "state", "where it is looked for"], rows).show()
        _say_where([source for source in sources if not source.present and not source.needed])
    else:
        click.echo(f"{target.title}: needs no file")
    return [source for source in sources if source.needed and not source.present]


def _state(source: Source) -> str:
    return "ok" if source.present else "missing" if source.needed else "absent, optional"


def _say_where(sources: Sequence[Source]) -> None:
    for source in sources:
        colour = "red" if source.needed else None
        click.secho(f"{'missing' if source.needed else 'optional'}: {source.path}", fg=colour)
        click.echo(f"    {source.what}\n    obtained from: {source.where}")


def _show_decoders() -> None:
    from medvl.data.decoders import INSTALL, dicom_decoders
    from medvl.runs.tables import Table

    decoders = dicom_decoders()
    rows = [[each.compression, "ok" if each.available else "missing", ", ".join(each.packages)] for each in decoders]
    absent = any(not each.available for each in decoders)
    notes = [f"DICOM files of these kinds cannot be read. do: {INSTALL}"] if absent else []
    Table("DICOM decoders", ["compression", "state", "packages"], rows, notes).show()


def _plans(source: str, rest: tuple[str, ...], plugin_files: tuple[str, ...]) -> tuple[dict[str, Plan], list[str]]:
    """The stages as they will run, or why they will not; neither for a named dataset."""
    if not names_experiment(source):
        return {}, []
    from medvl.engine.check import check_experiment

    _, overrides = stage_and_overrides(rest)
    try:
        return check_experiment(load_experiment(Path(source), overrides, plugin_files)[0]), []
    except ConfigError as error:
        return {}, list(error.problems)


def _show_room(target: Target, sides: Sequence[int]) -> None:
    """What decoded images take on the disk, and what is left there."""
    from medvl.data.cache import cache_folder
    from medvl.data.dataset import IMAGE
    from medvl.data.store import stores_of
    from medvl.runs.tables import Table, spell_bytes

    folder = cache_folder("images")
    there = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    free = shutil.disk_usage(there).free
    built = {path.name for path in stores_of(target.dataset, target.table.column(IMAGE), folder)}
    rows = []
    for side in sides:
        needed = target.table.num_rows * side**2
        begun = any(name.endswith(f"-{side}-{target.selection.fit}") for name in built)
        state = "there, or begun" if begun else "fits" if needed < free else "does not fit: set MEDVL_CACHE"
        rows.append([f"{side} pixels", spell_bytes(needed), state])
    if rows:
        notes = [f"in {folder}, where {spell_bytes(free)} are free"]
        Table("room for decoded images", ["size", "needed", "state"], rows, notes).show()


def _findings(target: Target, plans: list[Plan], quick: bool) -> list[Finding]:
    """Those of the dataset's splits and images, then those of every stage's use of it."""
    from medvl.data.lints.suite import of_splits, splits_as_they_are

    contents = None if quick else _contents(target)
    findings: list[Finding] = []
    for selection in target.selections:
        splits = splits_as_they_are(target.table, selection, target.seed)
        findings += of_splits(target.dataset, selection, target.table, splits, contents)
    uses = [_of_use(target, plan) for plan in plans] if plans else [_of_use(target, None)]
    findings += [finding for use in uses for finding in use]
    return list(dict.fromkeys(findings))  # stages share their splits, and often their text


def _contents(target: Target) -> np.ndarray | None:
    """What is in the images, in numbers: by a store's pixels where there is one, else by the files, if any."""
    from medvl.data.cache import cache_folder
    from medvl.data.dataset import IMAGE
    from medvl.data.image_paths import HasImageFiles
    from medvl.data.lints.same_image import file_contents, stored_contents
    from medvl.data.store import finished_store
    from medvl.runs.progress import PATIENCE, Progress

    dataset = target.dataset
    store = finished_store(dataset, target.table.column(IMAGE), cache_folder("images"))
    if store is not None:
        return stored_contents(store.hashes)
    if not isinstance(dataset, HasImageFiles):
        return None
    paths = [dataset.image_path(reference) for reference in target.table.column(IMAGE).to_pylist()]
    with Progress(f"{target.title}: comparing files", None, "file", patience=PATIENCE) as progress:
        return file_contents(paths, progress.reach)


def _of_use(target: Target, plan: Plan | None) -> list[Finding]:
    """What a stage, or the command line, makes of the table."""
    from medvl.data.label_columns import labels_of
    from medvl.data.lints.suite import after_reading, rows_by_split, splits_as_they_are
    from medvl.data.texts import Texts

    dataset = target.dataset
    selection = target.selection if plan is None else plan.stage.selection
    table = target.cases(selection)
    rows = rows_by_split(splits_as_they_are(table, selection, target.seed))
    rule = selection.text_rule if plan is None or plan.reads_text else None
    names = selection.chosen_labels(dataset.labels) if plan is None or plan.reads_labels else ()
    return after_reading(
        dataset, selection, texts=None if rule is None else Texts(table, rule), names=names,
        labels=labels_of(table, names, selection) if names else None, mirroring=() if plan is None else plan.mirroring,
        train=rows[selection.split], evaluated={name: rows[name] for name in _evaluated(plan) if len(rows[name])},
    )  # fmt: skip


def _evaluated(plan: Plan | None) -> Sequence[str]:
    """A dataset on its own is looked at as most experiments would."""
    if plan is None:
        return ("val", "test")
    from medvl.engine.stage_data import evaluated_splits

    return evaluated_splits(plan)


def _show_findings(findings: list[Finding], problems: list[str]) -> None:
    for problem in problems:
        click.secho("error: ", fg="red", nl=False)
        click.echo(problem)
    for finding in sorted(findings, key=lambda finding: finding.severity != "error"):
        click.secho(f"{finding.severity}: ", fg=COLOURS[finding.severity], nl=False)
        click.echo(finding.sentence())
    if not findings and not problems:
        click.secho("nothing suspicious was found", fg="green")
