"""`medvl embed RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from medvl.config.component import Component
    from medvl.data.selection import Selection
    from medvl.engine.load import TrainedStage


@click.command(
    help="t-SNE of the image embeddings of RUN (runs/NAME/STAGE-HASH, or runs/NAME), as a CSV and a picture, with a "
    "number for how far apart the data sets are.\n\n"
    "\b\nmedvl embed runs/x/pretrain-0a1b2c3d4e5f \\\n"
    "    --data 'here={name: phantom}' --data 'elsewhere={name: phantom, site: b}'"
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", "asked", multiple=True, metavar="NAME={...}",
              help="A `data:` section to embed, under a name; several times for several. The stage's own where left "
              "out.")  # fmt: skip
@click.option("--split", type=click.Choice(["train", "val", "test"]), default="test", show_default=True)
@click.option("--cases", type=click.IntRange(2), default=500, show_default=True, help="At most so many of each.")
@click.option("--finding", help="What the second panel shows; the most evenly divided one where left out.")
@click.option("--space", type=click.Choice(["pooled", "shared"]), default="pooled", show_default=True,
              help="The image encoder's feature, or the space that images share with texts.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the draw and the t-SNE.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("embedding"), show_default=True,
              help="Folder for the CSV and the picture.")  # fmt: skip
def command(
    run: Path,
    asked: tuple[str, ...],
    split: Literal["train", "val", "test"],
    cases: int,
    finding: str | None,
    space: Literal["pooled", "shared"],
    seed: int,
    out: Path,
) -> None:
    """tsne.csv and tsne.png."""
    from medvl.engine.embedding import embed
    from medvl.engine.load import TrainedStage
    from medvl.evaluate.embedding import apartness, tsne
    from medvl.runs.curves import write_figure
    from medvl.runs.embedding import finding_to_show, plot_embedding, write_points

    trained = TrainedStage.load(run)
    sections = _sections(trained, asked)
    sets = [
        embed(trained, name, *section, split=split, cases=cases, seed=seed, space=space)
        for name, section in sections.items()
    ]
    shown = finding_to_show(sets, finding)
    points, apart = tsne(sets, seed), apartness(sets, seed)
    out.mkdir(parents=True, exist_ok=True)
    write_points(out / "tsne.csv", sets, points)
    title = f"t-SNE of {trained.folder.parent.name}, {trained.stage.name}"
    write_figure(plot_embedding(sets, points, shown, apart, title=title), out / "tsne.png")
    click.echo(", ".join(f"{each.name}: {len(each)} cases" for each in sets))
    if apart is not None:
        click.echo(
            f"a linear classifier tells the data sets apart with AUROC {apart.auroc:.3f} (0.5: not at all); "
            f"silhouette {apart.silhouette:.3f}"
        )
    click.echo(f"points and picture: {out} (tsne.csv, tsne.png)")


def _sections(trained: TrainedStage, asked: tuple[str, ...]) -> dict[str, tuple[Component, Selection]]:
    """Each data set by name, resolved with the stage's plugins."""
    from medvl.config.resolve import resolve_data
    from medvl.config.source import Origin, Tree, parse_value

    values: dict[str, Any] = {}
    tree = Tree({"stages": values})
    for text in asked:
        name, separator, section = text.partition("=")
        if not separator or not name:
            raise click.UsageError(f"--data {text}: write NAME={{...}}, e.g. --data 'here={{name: phantom}}'")
        if name in values:
            raise click.UsageError(f"--data: '{name}' is given twice")
        values[name] = {"data": parse_value(section)}
        tree.history[("stages", name)] = [(values[name], Origin(f"--data {name}", Path.cwd()))]
    if not asked:
        return {trained.stage.data.name: trained.data()}
    return {name: resolve_data(tree, trained.plugins, ("stages", name, "data")) for name in values}
