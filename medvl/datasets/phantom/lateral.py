"""The chest seen from the side, the patient facing the image's left: anatomy, and where findings stand there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medvl.datasets.phantom.anatomy import Layers, Torso
from medvl.datasets.phantom.cases import Studies
from medvl.datasets.phantom.findings import Placed
from medvl.datasets.phantom.pleura import INSET, on_outline
from medvl.datasets.phantom.random import Draws
from medvl.datasets.phantom.shapes import Blob, Field, column, fourth, ramp

_STEPS = np.linspace(-0.95, 0.95, 240, dtype=np.float32)[None, :, None]


def spine_at(y: Field) -> Field:
    """x of the vertebral bodies' middle: a gentle kyphosis."""
    return 0.62 - 0.26 * (y + 0.05) * (y + 0.05)


def front_at(y: Field) -> Field:
    """x of the sternum's inner side."""
    above = np.clip(0.35 - y, 0, 1.3)
    return -0.64 + 0.34 * above * above


def back_at(y: Field) -> Field:
    """x where the lungs end behind, beside the spine."""
    return spine_at(y) + 0.09


def floor_at(torso: Torso, x: Field) -> Field:
    """y of the diaphragm: domed in front, deep behind."""
    t = (x + 0.12) / 0.7
    return torso.base + 0.04 + np.where(t > 0, 0.30, 0.10) * t * t


def heart(torso: Torso) -> Blob:
    """The heart behind the sternum."""
    zero = np.zeros_like(torso.base)
    half = 0.80 * (torso.heart_left + torso.heart_right) / 2 + 0.03
    return Blob(zero - 0.30, torso.base - 0.10, half, torso.heart_height - 0.02, zero - 0.35, zero + 0.07, zero + 2.0)


def layers(torso: Torso, x: Field, y: Field) -> Layers:
    """The healthy chest from the side at body coordinates x, y (N, H, W)."""
    front, back, floor, spine = front_at(y), back_at(y), floor_at(torso, x), spine_at(y)
    lung = ramp(x - front, 0.08) * ramp(back - x, 0.10) * ramp(floor - y, 0.06) * ramp(y - torso.apex - 0.02, 0.25)
    body = ramp(x - front + 0.15, 0.07) * ramp(back + 0.20 - x, 0.10)
    arm = ramp(0.34 - np.abs(x - 0.10 - 0.4 * (y + 0.8)), 0.45) * ramp(-0.62 - y, 0.4)
    solid = body * (torso.tissue + 0.02 + 0.20 * ramp(y - floor, 0.12)) + 0.16 * arm
    discs = 0.70 + 0.30 * np.cos(y * (6.2832 / 0.125) + torso.phase)
    bone = 0.22 * ramp(0.075 - np.abs(x - spine), 0.04) * discs
    bone += 0.12 * ramp(0.025 - np.abs(x - front + 0.03), 0.02) * ramp(0.25 - y, 0.1)
    ribs = np.cos((y - torso.ribs - 0.45 * (0.6 - x)) * (6.2832 / torso.spacing))
    bone += 0.06 * ramp(ribs - 0.4, 0.5) * lung
    solid += torso.bone * bone
    beat = ramp(heart(torso).inside(x, y), 0.35)
    arch = ramp(1 - ((x - 0.14) / 0.12) ** 2 - ((y + 0.30) / 0.12) ** 2, 0.6)
    airway = ramp(0.05 - np.abs(x - 0.02 - 0.12 * (y + 0.8)), 0.04) * ramp(-0.12 - y, 0.1)
    solid += np.maximum(0.17 * beat, 0.08 * arch) - 0.14 * airway
    hilum = ramp(1 - ((x - 0.06) / 0.14) ** 2 - ((y + 0.02) / 0.16) ** 2, 1.0)
    angle = np.arctan2(y + 0.02, x - 0.06)
    radius = np.sqrt((x - 0.06) ** 2 + (y + 0.02) ** 2)
    angle += 0.35 * np.sin(11 * radius + 2 * angle + torso.phase)
    twigs = fourth(np.maximum(np.cos(9 * angle + 4 * radius), 0)) * np.clip(1 - radius / 0.6, 0, 1)
    vessels = torso.hila * (0.12 * hilum + 0.08 * ramp(radius - 0.12, 0.2) * twigs) * lung
    return Layers(air=lung * (1 - 0.55 * beat), solid=solid, vessels=vessels)


@dataclass(frozen=True)
class Fluid:
    """A pleural effusion from the side: it fills the deep recess behind."""

    torso: Torso
    level: Field
    inset = INSET

    def surface_at(self, x: Field) -> Field:
        """y of the meniscus, which climbs backwards."""
        return self.level - 0.20 * np.clip(x + 0.1, 0, 1) ** 2

    def inside(self, x: Field, y: Field) -> Field:
        """Positive inside, in body units."""
        depth = np.minimum(floor_at(self.torso, x) - y, y - self.surface_at(x))
        return np.minimum(depth, np.minimum(x - front_at(y), back_at(y) - x))

    def outline(self) -> tuple[Field, Field]:
        """Points on its four sides."""
        x = y = _STEPS + 0 * self.level
        above, below = (x, self.surface_at(x) + INSET), (x, floor_at(self.torso, x) - INSET)
        return on_outline(self, [above, below, (front_at(y) + INSET, y), (back_at(y) - INSET, y)])


def place(studies: Studies, torso: Torso, person: Draws, image: Draws) -> list[Placed]:
    """The signs that N lateral views show; a pneumothorax and devices are left to the front view."""
    rows = np.flatnonzero(studies.heart > 0)
    placed = [Placed("heart", rows, heart(torso.take(rows)), column(studies.heart[rows]))]
    placed.append(_focal(studies, torso, person))
    placed.append(_diffuse(studies, torso, image))
    rows = np.flatnonzero(studies.effusion > 0)
    body, severity = torso.take(rows), column(studies.effusion[rows])
    placed.append(Placed("effusion", rows, Fluid(body, body.base + 0.18 - 0.30 * severity), severity))
    return [one for one in placed if len(one.rows)]


def _focal(studies: Studies, torso: Torso, person: Draws) -> Placed:
    """The front view's opacity, at the same height and of the same outline."""
    rows = np.flatnonzero(studies.focal > 0)
    body, severity = torso.take(rows), column(studies.focal[rows])
    zone = np.array([0.27, 0.55, 0.84])[studies.focal_zone[rows]]
    depth = column(zone + person.uniform("focal.y", -0.07, 0.07)[rows])
    blob = Blob(
        x=column(person.uniform("focal.z", -0.22, 0.36)[rows]),
        y=body.apex + depth * (body.base + 0.03 - body.apex),
        width=0.11 + 0.12 * severity,
        height=(0.095 + 0.11 * severity) * column(person.uniform("focal.height", 0.85, 1.2)[rows]),
        tilt=0 * severity,
        wave=column(person.uniform("focal.wave", 0.03, 0.16)[rows]),
        phase=column(person.uniform("focal.phase", 0, 6.28)[rows]),
    )
    return Placed("focal", rows, blob, severity)


def _diffuse(studies: Studies, torso: Torso, image: Draws) -> Placed:
    """Both lungs' opacities, one behind the other."""
    rows = np.flatnonzero(studies.diffuse > 0)
    body, severity = torso.take(rows), column(studies.diffuse[rows])
    cloud = Blob(
        x=0 * severity + 0.06,
        y=0.5 * (body.apex + body.base) + 0.14,
        width=0.32 + 0.10 * severity,
        height=0.32 + 0.10 * severity,
        tilt=0 * severity,
        wave=column(image.uniform("diffuse.wave", 0.04, 0.14)[rows]),
        phase=0 * severity,
    )
    return Placed("diffuse", rows, cloud, severity)
