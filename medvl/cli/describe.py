"""`medvl describe NAME`, `medvl describe KIND NAME` where a name stands for several things, or a stage's section."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import getdoc, isclass
from types import FunctionType
from typing import Any

import click

from medvl.cli.options import plugin_option
from medvl.config import protocols
from medvl.config.reader import OBJECTIVE_KEYS, SLOT_KEYS
from medvl.config.schema import parameters_of, spell
from medvl.errors import UnknownName, unknown
from medvl.plugins import Plugins
from medvl.registry import KINDS, Entry

CONTRACT = (
    "modality", "capabilities", "views", "reads", "needs", "requires", "gives", "predicts", "wants", "labels",
    "sections", "asks", "expectations", "split_by", "text_cls", "draws",
)  # fmt: skip
SECTIONS = {  # of a stage, beside its components
    "data": "medvl.data.selection:Selection",
    "budget": "medvl.config.sections:Budget",
    "stop": "medvl.config.sections:Stop",
}

BESIDE = {"encoder": SLOT_KEYS, "fusion": SLOT_KEYS, "objective": OBJECTIVE_KEYS}  # keys that are no parameters


@click.command(
    help="Describe the component NAME: parameters, what it reads and gives, paper, place. KIND NAME where needed. "
    "Or a section of a stage: data (the keys that all datasets share), budget, stop, protocol."
)
@click.argument("names", nargs=-1, required=True, metavar="[KIND] NAME")
@plugin_option
def command(names: tuple[str, ...], plugin_files: tuple[str, ...]) -> None:
    """Everything about one name."""
    if names == ("protocol",):
        click.secho("section protocol", bold=True)
        click.echo("\n" + (protocols.__doc__ or "").strip())
        return
    if len(names) == 1 and names[0] in SECTIONS:
        module, _, name = SECTIONS[names[0]].partition(":")
        section = getattr(import_module(module), name)
        _show(f"section {names[0]}", SECTIONS[names[0]], getdoc(section) or "", section)
        return
    plugins = Plugins(plugin_files)
    if len(names) > 2 or (len(names) == 2 and names[0] not in KINDS):
        raise click.UsageError(f"give NAME, or KIND NAME with KIND one of {', '.join(KINDS)}")
    found = [plugins.get(names[0], names[1])] if len(names) == 2 else _find(plugins, names[0])
    for index, entry in enumerate(found):
        if index:
            click.echo()
        _show(f"{entry.kind} {entry.name}", f"plugin {entry.plugin}, {entry.place}", entry.doc, entry.load())
        if entry.kind in BESIDE:
            click.echo(f"beside its parameters: {', '.join(BESIDE[entry.kind])}")
        if entry.kind == "mask":
            _draw(entry.load())


def _find(plugins: Plugins, name: str) -> list[Entry]:
    found = plugins.registry.find(name)
    if found:
        return found
    for kind in KINDS:  # a broken or disabled plugin may claim the name: its own error says more
        try:
            plugins.get(kind, name)
        except UnknownName:
            continue
    raise UnknownName(unknown("component", name, {entry.name for entry in plugins.registry}))


def _show(title: str, where: str, doc: str, target: Callable[..., Any]) -> None:
    click.secho(title, bold=True, nl=False)
    click.echo(f"  ({where})")
    click.echo("\n" + doc.strip() + "\n")
    parameters = parameters_of(target)
    click.secho("parameters" if parameters else "no parameters", bold=True)
    width = max((len(name) for name in parameters), default=0)
    for parameter in parameters.values():
        default = "required" if parameter.required else f"default {_plain(parameter.default)}"
        click.echo(f"  {parameter.name:<{width}}  {spell(parameter.annotation)}; {default}")
    contract = {
        word: _plain(value)
        for word in CONTRACT
        if (value := getattr(target, word, None))
        and not isinstance(value, property | FunctionType)  # computed of an instance
    }
    if contract:
        click.secho("contract", bold=True)
        for word, value in contract.items():
            click.echo(f"  {word:<12}  {value}")


def _draw(target: Callable[..., Any]) -> None:
    """What a mask scheme lets see what, at its defaults; one made of other schemes has none of its own."""
    if any(parameter.required for parameter in parameters_of(target).values()):
        return
    click.secho("who sees whom", bold=True)
    from medvl.models.masks.picture import draw

    scheme: Any = target() if isclass(target) else target
    click.echo("\n".join(draw(scheme)))


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_plain(v)}" for key, v in value.items())
    if isinstance(value, tuple | list | set | frozenset):
        return ", ".join(str(item) for item in value) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
