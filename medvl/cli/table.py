"""`medvl table FILE [KEY=VALUE]...`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from medvl.cli.options import experiment_arguments


@click.command(help="x")
@experiment_arguments
@click.option("--jobs", type=click.IntRange(1), default=None)
def command(file: Path, overrides: tuple[str, ...], plugin_files: tuple[str, ...], jobs: int | None) -> None:
    from medvl.config.matrix import read_matrix
    from medvl.config.resolve import overridden_tree
    from medvl.tables.engine import make_engine
    from medvl.tables.plan import plan_table
    from medvl.tables.planner import Planner
    from medvl.tables.schedule import run_stages
    import time
    t=time.time()
    planner = Planner(plugin_files)
    tree = overridden_tree(file, overrides)
    matrix = read_matrix(tree, planner.plugins(tree))
    plan = plan_table(matrix, planner)
    print(len(matrix.cells), len(plan.stages), time.time()-t)
    t=time.time()
    engine = make_engine("local", plan.folder, device="cpu", jobs=jobs, settings={})
    try:
        reports = run_stages(plan, engine, plugin_files, print)
    finally:
        engine.close()
    print(reports, time.time()-t)
