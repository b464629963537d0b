"""`medvl explain RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click


@click.command(
    help="One page, with pictures, of what a finished stage of RUN (runs/NAME, or runs/NAME/STAGE-HASH) looks at and "
    "writes: attention of words over the image, generated reports, retrieved cases, predicted findings. What the stage "
    "cannot do is left out.\n\nThe page holds radiographs and report text."
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--stage", help="Which stage of the run; the newest finished one where left out.")
@click.option("--split", type=click.Choice(["train", "val", "test"]), default="test", show_default=True)
@click.option("--cases", "count", type=click.IntRange(1), default=4, show_default=True,
              help="How many, chosen to show many findings; the same ones each time.")  # fmt: skip
@click.option("--case", "keys", multiple=True, metavar="HASH",
              help="Show this case, by its hash in the stage's predictions; several times for several.")  # fmt: skip
@click.option("--word", help="Choose cases whose text has this word, and show where it looks first.")
@click.option("--layer", type=click.IntRange(1), help="Whose attention, 1 the lowest; the last where left out.")
@click.option("--head", type=click.IntRange(1), help="Which head's; the mean of all where left out.")
@click.option("--rollout", is_flag=True, help="Attention through all layers up to that one.")
@click.option("--out", type=click.Path(path_type=Path),
              help="Folder of page and pictures; figures/explain-SPLIT of the stage where left out.")  # fmt: skip
def command(
    run: Path,
    stage: str | None,
    split: Literal["train", "val", "test"],
    count: int,
    keys: tuple[str, ...],
    word: str | None,
    layer: int | None,
    head: int | None,
    rollout: bool,
    out: Path | None,
) -> None:
    """index.html and its pictures."""
    from medvl.engine.load import TrainedStage
    from medvl.explain.page import PAGE, PRIVATE, write_page
    from medvl.explain.subject import Asked, Subject
    from medvl.runs.folder import FIGURES

    trained = TrainedStage.load(run, stage, predicts=False)
    subject = Subject(trained, Asked(split, count, keys, word, layer, head, rollout))
    folder = trained.folder / FIGURES / f"explain-{split}" if out is None else out
    for title, why in write_page(subject, folder).items():
        click.echo(f"not shown: {title}: {why}")
    click.echo(f"{len(subject.cases)} cases of split {split}, stage {trained.stage.name}: {folder / PAGE}")
    click.echo(PRIVATE)
