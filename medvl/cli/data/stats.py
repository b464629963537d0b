"""`medvl data stats FILE [STAGE]` or `medvl data stats DATASET [KEY=VALUE]...`."""

from __future__ import annotations

from pathlib import Path

import click

from medvl.cli.data.targets import Target, read_targets, target_arguments

PICTURE = "stats.png"


@click.command(
    help="Count a dataset: prevalence under each label policy, views, ages, text lengths, missing sections, splits. "
    "Shows tables, and writes them with a picture. Decodes no image."
)
@target_arguments
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Where to write; stats/DATASET where left out."
)
def command(source: str, rest: tuple[str, ...], plugin_files: tuple[str, ...], out: Path | None) -> None:
    """Tables on the screen, and a folder with tables and the picture."""
    targets = read_targets(source, rest, plugin_files)
    for target in targets:
        folder = out or Path("stats") / target.component.name
        if len(targets) > 1:  # datasets of one name differ by the stage that uses them
            folder = folder / target.stages[-1]
        _count(target, folder)


def _count(target: Target, folder: Path) -> None:
    import pyarrow as pa

    from medvl.data.lints.suite import splits_as_they_are
    from medvl.data.statistics import statistics_of
    from medvl.files import write_text_atomic
    from medvl.runs.curves import write_figure
    from medvl.runs.data_picture import plot_dataset
    from medvl.runs.data_tables import statistics_tables

    labels = target.dataset.labels  # all of them, also where a stage takes none
    splits = splits_as_they_are(target.table, target.selection, target.seed)
    table, inside = target.table, splits >= 0
    if not inside.all():  # a cohort, by `only`
        table, splits = table.filter(pa.array(inside)), splits[inside]
    statistics = statistics_of(table, splits, labels, target.dataset.sections)
    tables = statistics_tables(statistics, target.title)
    for stem, table in tables.items():
        table.show()
        write_text_atomic(folder / f"{stem}.csv", table.csv())
    write_text_atomic(folder / "stats.md", "\n".join(table.markdown() for table in tables.values()))
    write_figure(plot_dataset(statistics, title=target.title), folder / PICTURE)
    click.echo(f"tables and picture: {folder / PICTURE}, stats.md, {', '.join(f'{stem}.csv' for stem in tables)}")
