"""Findings of the front view: where each stands and how large it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medvl.datasets.phantom.anatomy import Torso
from medvl.datasets.phantom.cases import BOTH, LEFT, RIGHT, Studies
from medvl.datasets.phantom.devices import generator, lead, line, tube
from medvl.datasets.phantom.pleura import Fluid, Gas
from medvl.datasets.phantom.random import Draws
from medvl.datasets.phantom.shapes import Blob, Field, Shape, column


@dataclass(frozen=True)
class Placed:
    """One sign in those images of a batch that show it: `rows` of the batch, and the shape for each of them."""

    sign: str
    rows: npt.NDArray[np.int64]
    shape: Shape
    severity: Field


def place(studies: Studies, torso: Torso, person: Draws, image: Draws) -> list[Placed]:
    """Every sign of N front views, one study and one torso per image."""
    placed = [_heart(studies, torso), _focal(studies, torso, person, image)]
    for side in (RIGHT, LEFT):
        placed.append(_diffuse(studies, torso, image, side))
        placed.append(_effusion(studies, torso, image, side))
        placed.append(_pneumothorax(studies, torso, image, side))
    return [one for one in placed + _devices(studies, torso, image) if len(one.rows)]


def _sign(side: int) -> np.float32:
    return np.float32(-1 if side == RIGHT else 1)


def _rows(present: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    return np.flatnonzero(present)


def _heart(studies: Studies, torso: Torso) -> Placed:
    rows = _rows(studies.heart > 0)
    return Placed("heart", rows, torso.take(rows).heart(), column(studies.heart[rows]))


def _focal(studies: Studies, torso: Torso, person: Draws, image: Draws) -> Placed:
    """One opacity in an upper, mid or lower zone; its size follows its severity, its place the patient."""
    rows = _rows(studies.focal > 0)
    body, severity, side = torso.take(rows), column(studies.focal[rows]), column(2 * studies.focal_side[rows] - 1)
    zone = studies.focal_zone[rows]
    depth = column(np.array([0.27, 0.55, 0.84])[zone] + person.uniform("focal.y", -0.07, 0.07)[rows])
    y = body.apex + depth * (body.base + 0.03 - body.apex) + column(image.normal("focal.y", 0, 0.012)[rows])
    inner, outer = body.medial_at(y), body.width_at(y)
    s = inner + column(person.uniform("focal.s", 0.36, 0.64)[rows]) * (outer - inner)
    width = (0.095 + 0.12 * severity) * column(person.uniform("focal.width", 0.85, 1.2)[rows])
    blob = Blob(
        x=side * s,
        y=y,
        width=np.minimum(width, 0.55 * (outer - inner)),
        height=(0.095 + 0.11 * severity) * column(person.uniform("focal.height", 0.85, 1.2)[rows]),
        tilt=column(person.uniform("focal.tilt", -0.4, 0.4)[rows]),
        wave=column(person.uniform("focal.wave", 0.03, 0.16)[rows]),
        phase=column(person.uniform("focal.phase", 0, 6.28)[rows]),
    )
    return Placed("focal", rows, blob, severity)


def _diffuse(studies: Studies, torso: Torso, image: Draws, side: int) -> Placed:
    """One half of a bilateral opacity that spreads from the hilum."""
    rows = _rows(studies.diffuse > 0)
    body, severity = torso.take(rows), column(studies.diffuse[rows])
    tag = f"diffuse.{side}"
    blob = Blob(
        x=_sign(side) * (0.16 + 0.22 * body.lung),
        y=0.5 * (body.apex + body.base) + 0.14 + column(image.normal(tag + ".y", 0, 0.03)[rows]),
        width=0.20 + 0.07 * severity,
        height=0.34 + 0.10 * severity,
        tilt=0 * severity,
        wave=column(image.uniform(tag + ".wave", 0.04, 0.14)[rows]),
        phase=column(image.uniform(tag + ".phase", 0, 6.28)[rows]),
    )
    return Placed("diffuse", rows, blob, severity)


def _effusion(studies: Studies, torso: Torso, image: Draws, side: int) -> Placed:
    rows = _rows((studies.effusion > 0) & np.isin(studies.effusion_side, (side, BOTH)))
    body, severity = torso.take(rows), column(studies.effusion[rows])
    floor = body.base + body.lower * (side == LEFT)
    fluid = Fluid(
        torso=body,
        side=0 * severity + _sign(side),
        level=floor + 0.15 - 0.38 * severity + column(image.normal(f"effusion.{side}", 0, 0.015)[rows]),
        climb=0.14 + 0.06 * severity,
    )
    return Placed("effusion", rows, fluid, severity)


def _pneumothorax(studies: Studies, torso: Torso, image: Draws, side: int) -> Placed:
    rows = _rows((studies.pneumothorax > 0) & (studies.pneumothorax_side == side))
    body, severity = torso.take(rows), column(studies.pneumothorax[rows])
    end = body.apex + 0.50 + 0.75 * severity + column(image.normal("pneumothorax.end", 0, 0.03)[rows])
    gas = Gas(body, side=0 * severity + _sign(side), depth=0.19 + 0.24 * severity, end=end)
    return Placed("pneumothorax", rows, gas, severity)


def _devices(studies: Studies, torso: Torso, image: Draws) -> list[Placed]:
    placed = []
    rows = _rows(studies.tube)
    placed.append(Placed("tube", rows, tube(torso.take(rows), Draws(image.key[rows])), column(np.ones(len(rows)))))
    rows = _rows(studies.line)
    placed.append(Placed("line", rows, line(torso.take(rows), Draws(image.key[rows])), column(np.ones(len(rows)))))
    rows = _rows(studies.pacemaker)
    body = torso.take(rows)
    case = generator(body, Draws(image.key[rows]))
    placed.append(Placed("pacemaker", rows, case, column(np.ones(len(rows)))))
    placed.append(Placed("lead", rows, lead(body, case), column(np.ones(len(rows)))))
    return placed
