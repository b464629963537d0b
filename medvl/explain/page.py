"""The page: cases one below the other, each with the panels that the run allows, and what was left out and why."""

from __future__ import annotations

import html
from functools import partial
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import BinaryIO
from xml.etree.ElementTree import Element

from medvl.explain.markup import element, spelled
from medvl.explain.panel import Panel, Shown
from medvl.explain.panels import PANELS
from medvl.explain.radiograph import findings_line, radiograph
from medvl.explain.subject import Subject
from medvl.files import write_atomic, write_text_atomic
from medvl.runs.tables import STYLE

PAGE, TEMPLATE = "index.html", "page.html"
PRIVATE = "This page and the pictures beside it hold radiographs and report text. Keep them where the data may be kept."


def write_page(subject: Subject, folder: Path, panels: tuple[type[Panel], ...] = PANELS) -> dict[str, str]:
    """Write `index.html` and its pictures.

    Args:
        subject: the stage and its cases.
        folder: is made where it is missing; earlier files of these names are replaced.
        panels: ways to look, in order.

    Returns:
        Title -> why, of the panels that were left out.

    Raises:
        ConfigError: a layer or head that the model does not have.
    """
    shown: list[tuple[Panel, list[Shown]]] = []
    left_out: dict[str, str] = {}
    for panel in (kind() for kind in panels):
        why = panel.lacks(subject)
        if why is None:
            shown.append((panel, panel.show(subject)))
        else:
            left_out[panel.title] = why
    pictures = {name: content for _, parts in shown for part in parts for name, content in part.pictures.items()}
    for name, content in pictures.items():
        write_atomic(folder / name, partial(_put, content))
    write_text_atomic(folder / PAGE, _page(subject, shown, left_out))
    return left_out


def _put(content: bytes, file: BinaryIO) -> None:
    file.write(content)


def _page(subject: Subject, shown: list[tuple[Panel, list[Shown]]], left_out: dict[str, str]) -> str:
    trained, count = subject.trained, len(subject.cases)
    title = f"{trained.folder.parent.name}: what stage {trained.stage.name} looks at and writes"
    cases = [_case(subject, place, shown) for place in range(count)]
    notes = [element("li", f"{name}: {why}.") for name, why in left_out.items()]
    missing = element("section", element("h2", "Not shown"), element("ul", *notes)) if notes else element("section")
    template = Template(files("medvl.explain").joinpath(TEMPLATE).read_text(encoding="utf-8"))
    return template.substitute(
        title=html.escape(title), private=html.escape(PRIVATE), style=STYLE,
        about=html.escape(f"{count} cases of split {subject.asked.split}, stage folder {trained.folder.name}"),
        cases="\n".join(map(spelled, cases)), missing=spelled(missing),
    )  # fmt: skip


def _case(subject: Subject, place: int, shown: list[tuple[Panel, list[Shown]]]) -> Element:
    case = subject.cases[place]
    parts = [
        element("section", element("h3", panel.title), element("p", panel.about, class_="about"), parts[place].body)
        for panel, parts in shown
    ]
    heading = element("h2", f"Case {place + 1} ", element("code", case.key))
    seen = element("div", radiograph(case), element("div", findings_line(case), element("p", case.text)), class_="look")
    return element("article", heading, seen, *parts, id=f"case-{case.key}")
