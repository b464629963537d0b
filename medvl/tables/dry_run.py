"""What a table would run: its stages, which cells share each, what is finished, and how long the rest will take."""

from __future__ import annotations

from medvl.runs.progress import spell_time
from medvl.runs.tables import Table
from medvl.tables.forecast import Forecast
from medvl.tables.plan import StageRun, TablePlan


def overview(plan: TablePlan, forecast: Forecast) -> list[str]:
    """Sentences: how many cells and stages, what is shared by how many, what is left, how long."""
    cells, stages, left = len(plan.matrix.cells), plan.stages.values(), plan.left()
    needed = sum(len(run.cells) for run in stages)
    lines = [f"{cells} cells, {len(stages)} stages ({needed} if none were shared), {len(stages) - len(left)} finished"]
    for name in dict.fromkeys(run.stage for run in stages):
        runs = [run for run in stages if run.stage == name]
        sharing = sum(len(run.cells) for run in runs)
        shared = f", shared by {sharing} cells" if sharing > len(runs) else ""
        finished = sum(run.finished for run in runs)
        lines.append(f"  {name}: {len(runs)} distinct{shared}" + (f", {finished} finished" if finished else ""))
    if left:
        lines.append(f"forecast: {spell_time(forecast.wall)} for the {len(left)} stages that are left")
        lines += [f"  {sentence}" for sentence in forecast.assumptions]
    else:
        lines.append("forecast: nothing is left to run")
    return lines


def stages_table(plan: TablePlan, forecast: Forecast) -> Table:
    """Every stage in the order of the matrix."""
    rows = [
        [run.at.folder.name, common_choices(run), str(len(run.cells)), _state(run, forecast)]
        for run in plan.stages.values()
    ]
    return Table(f"{plan.name}: stages", ["run", "for", "cells", "state"], rows)


def common_choices(run: StageRun) -> str:
    """The choices that all cells of a stage have in common: what it depends on, mostly."""
    first, *others = run.cells
    same = [
        f"{axis}={choice}"
        for axis, choice in first.choices.items()
        if all(cell.choices[axis] == choice for cell in others)
    ]
    return ", ".join(same) or "all"


def _state(run: StageRun, forecast: Forecast) -> str:
    if run.finished:
        return "finished"
    seconds = forecast.stages.get(run.at.hash)
    return "to run" if seconds is None else f"to run, {spell_time(seconds)}"
