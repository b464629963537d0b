"""`medvl ablate RUN`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    help="What the text and the image contribute to a finished stage of RUN (runs/NAME, or runs/NAME/STAGE-HASH): its "
    "evaluators on its inputs as they are, with the text removed, with the text of other cases, with the image removed "
    "(the mean training radiograph in its place) and with the image of other cases. One table of paired differences, "
    "and a picture."
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--stage", help="Which stage of the run; the newest evaluated one where left out.")
@click.option("--metric", metavar="NAME",
              help="A metric, or the beginning of several (auroc: of each finding, too). [default: all averages]",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of who gets whose text and image.")
@click.option("--out", type=click.Path(path_type=Path),
              help="Folder of table (.md, .csv) and picture; figures/ablation of the stage if left out.")  # fmt: skip
def command(run: Path, stage: str | None, metric: str | None, seed: int, out: Path | None) -> None:
    """ablation.md, ablation.csv and ablation.png."""
    from medvl.engine.ablation import ablate
    from medvl.engine.load import TrainedStage
    from medvl.runs.ablation import INTACT, ablation_table, differences, metrics_of, subject_of
    from medvl.runs.curves import write_figure
    from medvl.runs.folder import FIGURES
    from medvl.runs.forest import plot_forest

    trained = TrainedStage.load(run, stage)
    found = ablate(trained, seed)
    intact = found.pop(INTACT)
    metrics = metrics_of(intact.draws, metric)
    told = {name: differences(intact.draws, judged.draws, metrics) for name, judged in found.items()}
    comparisons = {name: comparison for name, (comparison, _) in told.items()}
    notes = [f"differences: 95% percentile bootstrap, {kept.sample}, the same for all inputs" for kept in intact.draws]
    notes += [f"{name}: {why}" for name, (_, left_out) in told.items() for why in left_out]
    notes += [note for comparison in comparisons.values() for note in comparison.notes]
    title = f"{trained.folder.parent.name}: what text and image contribute to stage {trained.stage.name}"
    table = ablation_table(intact.results, comparisons, metrics, list(dict.fromkeys(notes)), title=title)
    folder = trained.folder / FIGURES / "ablation" if out is None else out
    table.show()
    table.write(folder, "ablation")
    figure = plot_forest(comparisons, "the intact inputs", subject_of(intact.draws, metrics), title=title)
    write_figure(figure, folder / "ablation.png")
    click.echo(f"table and picture: {folder} (ablation.md, ablation.csv, ablation.png)")
