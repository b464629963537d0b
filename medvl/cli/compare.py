"""`medvl compare RUN RUN...`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from medvl.evaluate.compare import Comparison
    from medvl.runs.subject import Subject

METRICS = ("auroc", "auprc", "f1", "precision", "recall", "accuracy", "brier", "calibration")
OF_NEW_DRAWS = ("views", "threshold", "unit", "replicates", "seed")  # options that draws which were kept have long had


@click.command(
    help="Differences between finished RUNs (runs/NAME, or stage folders) on the same cases: each against the first, "
    "by a paired bootstrap, as a table and a forest plot."
)
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...", type=click.Path(path_type=Path))
@click.option("--metric", metavar="NAME",
              help=f"Of findings {', '.join(METRICS)}, drawn anew from the predictions; else any metric that the runs "
              "kept draws of (perplexity, image_to_report_mrr), or the beginning of several (bleu). "
              "[default: auroc, or accuracy where runs answer]")  # fmt: skip
@click.option("--split", default="test", show_default=True)
@click.option("--views", type=click.Choice(["each", "max"]), default="each", show_default=True,
              help="Judge each radiograph, or each study by the largest logit of its views.")  # fmt: skip
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
@click.pass_context
def command(
    context: click.Context,
    runs: tuple[Path, ...],
    metric: str | None,
    split: str,
    views: Literal["each", "max"],
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
    from medvl.runs.comparison import comparison_table, short_names
    from medvl.runs.curves import write_figure
    from medvl.runs.forest import plot_forest

    if len(runs) < 2:
        raise click.UsageError("a comparison wants at least two runs: the baseline, then what is compared with it")
    named = dict(zip(short_names(runs), runs, strict=True))
    baseline = next(iter(named))
    drawn: dict[str, Any] = {"replicates": replicates, "unit": unit, "seed": seed}
    read_off: dict[str, Any] = {"confidence": confidence, "rule": rule}
    found = None
    if metric is None or metric in METRICS:
        found = _by_predictions(named, metric, split, views, threshold, drawn | read_off)
    if found is None:
        found = _by_kept_draws(context, named, metric, split, read_off)
    comparisons, subject, sample = found
    how = f"intervals and p: {confidence:.0%} percentile bootstrap, {sample}"
    out.mkdir(parents=True, exist_ok=True)
    stem = f"{subject.name.replace('/', '-')}-{split}"
    for number, (name, comparison) in enumerate(comparisons.items(), start=1):
        table = comparison_table(comparison, name, baseline, subject, [how], medvill)
        table.show()
        table.write(out, stem + (f"-{number}" if len(comparisons) > 1 else ""))
    figure = plot_forest(comparisons, baseline, subject, title=f"{subject.title} on {split}")
    write_figure(figure, out / f"{stem}.png")
    click.echo(f"tables and picture: {out} ({stem}.png)")


Found = tuple[dict[str, "Comparison"], "Subject", str]  # of each run after the first, of what, in which draws


def _by_predictions(
    runs: dict[str, Path], metric: str | None, split: str, views: str, threshold: float, drawn: dict[str, Any]
) -> Found | None:
    """Findings or answers, judged anew; None where a run predicted neither."""
    from medvl.evaluate.compare import compare_answers, compare_findings
    from medvl.evaluate.studies import by_study
    from medvl.runs.comparison import judges, read_run, same_cases
    from medvl.runs.subject import Subject

    predictions = {name: read_run(run, split) for name, run in runs.items()}
    if not all(map(judges, predictions.values())):
        return None
    cases = same_cases(predictions)
    baseline, *others = cases
    answers = predictions[baseline].answers
    metric = metric or ("accuracy" if answers else "auroc")
    if answers and metric != "accuracy":
        raise click.UsageError(f"answers are right or wrong: --metric {metric} is not told of them. give accuracy")
    if views == "max":
        if answers:
            raise click.UsageError("--views max: answers are of questions, not of radiographs. leave it out")
        cases = {name: by_study(each)[0] for name, each in cases.items()}
    labels = predictions[baseline].labels
    comparisons = {
        name: compare_answers(cases[name], cases[baseline], **drawn)
        if answers
        else compare_findings(cases[name], cases[baseline], labels, measure=metric, threshold=threshold, **drawn)
        for name in others
    }
    units = comparisons[others[0]].units
    sample = f"{drawn['replicates']} paired draws of {units} {drawn['unit']}s"
    return comparisons, Subject.of_measure(metric, "questions" if answers else "finding"), sample


def _by_kept_draws(
    context: click.Context, runs: dict[str, Path], metric: str | None, split: str, read_off: dict[str, Any]
) -> Found:
    """Any metric, in the draws that its evaluator made."""
    from medvl.runs.kept_comparison import compare_draws, metrics_asked, metrics_shared, read_kept, subject_of

    kept = {name: read_kept(run, split) for name, run in runs.items()}
    if metric is None:
        known = ", ".join(name for name in metrics_shared(kept) if "/" not in name)
        raise click.UsageError(
            f"not all these runs predict findings. --metric NAME: all kept draws of {known or 'none'}"
        )
    metrics, held = metrics_asked(kept, metric, METRICS)
    for option in OF_NEW_DRAWS:
        if context.get_parameter_source(option) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"--{option}: {metrics[0]} is compared in the draws that the runs kept, whose evaluator says how they "
                "were made. leave it out"
            )
    baseline, *others = held
    comparisons = {name: compare_draws(held[name], held[baseline], metrics, **read_off) for name in others}
    sample = f"{held[baseline].sample}, as the runs kept them, the same for both"
    return comparisons, subject_of(metric, metrics, held[baseline]), sample
