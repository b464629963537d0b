"""`medvl predict RUN IMAGE...`."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command(
    help="Findings of IMAGEs (DICOM, JPEG, PNG), or reports on them, by a finished RUN: runs/NAME, or a stage folder."
)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--text", default="", help="What the model reads beside the image, e.g. the indication.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(run: Path, images: tuple[Path, ...], text: str, as_json: bool) -> None:
    """One column an image, one row a finding; or each image's report."""
    from medvl.engine.load import Predictor

    predictor = Predictor.load(run)
    if predictor.reads_text and not text:
        click.echo("note: this model reads text too, and --text is empty", err=True)
    if text and not predictor.reads_text:
        click.echo("note: this model reads no text; --text is left out", err=True)
    for caution in predictor.cautions:
        click.echo(f"note: {caution}", err=True)
    if predictor.writes:
        _show_reports(images, predictor.reports(list(images)), as_json)
        return
    probabilities = predictor.probabilities(list(images), text)
    if as_json:
        found = [dict(zip(predictor.labels, map(float, row), strict=True)) for row in probabilities]
        click.echo(
            json.dumps(
                [{"image": str(path), "probabilities": p} for path, p in zip(images, found, strict=True)], indent=2
            )
        )
        return

    from medvl.runs.tables import Table

    rows = [
        [label, *(f"{value:.3f}" for value in column)]
        for label, column in zip(predictor.labels, probabilities.T, strict=True)
    ]
    Table("probability of each finding", ["finding", *(path.name for path in images)], rows).show()


def _show_reports(images: tuple[Path, ...], reports: list[str], as_json: bool) -> None:
    each = list(zip(map(str, images), reports, strict=True))
    if as_json:
        click.echo(json.dumps([{"image": image, "report": report} for image, report in each], indent=2))
        return
    for image, report in each:
        click.echo(f"{image}\n  {report or '(empty)'}")
