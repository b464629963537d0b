"""`medvl compare RUN RUN...`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

METRICS = ("auroc", "auprc", "f1", "accuracy", "brier", "calibration")


@click.command(
    help="Differences between finished RUNs (runs/NAME, or stage folders) on the same cases: each against the first, "
    "by a paired bootstrap, as a table and a forest plot."
)
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...", type=click.Path(path_type=Path))
@click.option("--metric", type=click.Choice(METRICS), help="auroc where left out, or accuracy where runs answer.")
@click.option("--split", default="test", show_default=True)
@click.option("--threshold", type=click.FloatRange(0, 1, True, True), default=0.5, show_default=True)
@click.option("--unit", type=click.Choice(["patient", "case"]), default="patient", show_default=True)
@click.option("--replicates", type=click.IntRange(1), default=2000, show_default=True)
@click.option("--confidence", type=click.FloatRange(0, 1, True, True), default=0.95, show_default=True)
@click.option("--rule", type=click.Choice(["linear", "ranks"]), default="linear", show_default=True,
              help="How the percentile interval is read off the replicates; ranks is MoCo-CXR's.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--medvill", is_flag=True, help="Also show MedViLL's t-test on 30 replicates.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("comparison"), show_default=True,
              help="Folder for the tables (.md, .csv) and the picture.")  # fmt: skip
def command(
    runs: tuple[Path, ...],
    metric: str | None,
    split: str,
    threshold: float,
    unit: Literal["patient", "case"],
    replicates: int,
    confidence: float,
    rule: Literal["linear", "ranks"],
    seed: int,
    medvill: bool,
    out: Path,
) -> None:
    """One table for each run after the first, and one picture of all."""
    from medvl.evaluate.compare import compare_answers, compare_findings
    from medvl.evaluate.measures import MEASURES
    from medvl.runs.comparison import comparison_table, read_run, same_cases, short_names
    from medvl.runs.curves import write_figure
    from medvl.runs.forest import plot_forest

    if len(runs) < 2:
        raise click.UsageError("a comparison wants at least two runs: the baseline, then what is compared with it")
    names = short_names(runs)
    predictions = {name: read_run(run, split) for name, run in zip(names, runs, strict=True)}
    cases = same_cases(predictions)
    baseline, others = names[0], names[1:]
    answers = predictions[baseline].answers
    metric = metric or ("accuracy" if answers else "auroc")
    if answers and metric != "accuracy":
        raise click.UsageError(f"answers are right or wrong: --metric {metric} is not told of them. give accuracy")
    out.mkdir(parents=True, exist_ok=True)
    comparisons = {}
    for number, name in enumerate(others, start=1):
        drawn: dict[str, Any] = {
            "replicates": replicates, "unit": unit, "confidence": confidence, "rule": rule, "seed": seed
        }  # fmt: skip
        if answers:
            found = compare_answers(cases[name], cases[baseline], **drawn)
        else:
            found = compare_findings(
                cases[name], cases[baseline], predictions[baseline].labels, measure=metric, threshold=threshold, **drawn
            )
        comparisons[name] = found
        how = f"{confidence:.0%} percentile bootstrap, {replicates} paired draws of {found.units} {unit}s"
        table = comparison_table(found, name, baseline, metric, [f"intervals and p: {how}"], medvill)
        table.show()
        table.write(out, f"{metric}-{split}" + (f"-{number}" if len(others) > 1 else ""))
    picture = out / f"{metric}-{split}.png"
    title = f"{MEASURES[metric].title} on {split}"
    write_figure(plot_forest(comparisons, baseline, metric, title=title), picture)
    click.echo(f"tables and picture: {out} ({picture.name})")
