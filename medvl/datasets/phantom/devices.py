"""Support devices of the front view: endotracheal tube, central line, pacemaker with its lead."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from medvl.datasets.phantom.anatomy import Torso
from medvl.datasets.phantom.random import Draws
from medvl.datasets.phantom.shapes import Field, column, fourth

_T = np.linspace(0, 1, 13, dtype=np.float32)  # samples along a wire
_TURN = np.linspace(0, 2 * np.pi, 32, endpoint=False, dtype=np.float32)


@dataclass(frozen=True)
class Path:
    """A smooth wire: the points (N, P) of its course, and its half-width."""

    x: Field
    y: Field
    half_width: float
    inset = 0.0

    def inside(self, x: Field, y: Field) -> Field:
        """Positive inside, `half_width` on the wire's centre line, 0 at its edge."""
        nearest = np.full(x.shape, np.inf, dtype=np.float32)
        for k in range(self.x.shape[1] - 1):
            x0, y0 = self.x[:, k, None, None], self.y[:, k, None, None]
            dx, dy = self.x[:, k + 1, None, None] - x0, self.y[:, k + 1, None, None] - y0
            across, down = x - x0, y - y0
            along = np.clip((across * dx + down * dy) / (dx * dx + dy * dy), 0, 1)
            across -= along * dx
            down -= along * dy
            np.minimum(nearest, across * across + down * down, out=nearest)
        return np.float32(self.half_width) - np.sqrt(nearest)

    def outline(self) -> tuple[Field, Field]:
        """Rings around many points of the course, (N, 8 * 32 (P - 1), 1)."""
        step = np.linspace(0, 1, 8, dtype=np.float32)
        x = (self.x[:, :-1, None] * (1 - step) + self.x[:, 1:, None] * step)[..., None]
        y = (self.y[:, :-1, None] * (1 - step) + self.y[:, 1:, None] * step)[..., None]
        x, y = x + self.half_width * np.cos(_TURN), y + self.half_width * np.sin(_TURN)
        return x.reshape(len(x), -1, 1), y.reshape(len(y), -1, 1)


@dataclass(frozen=True)
class Generator:
    """A pacemaker's flat case with round corners, at (N, 1, 1)."""

    x: Field
    y: Field
    width: float = 0.10
    height: float = 0.085
    inset = 0.0

    def inside(self, x: Field, y: Field) -> Field:
        """Positive inside, 1 at the centre."""
        return 1 - fourth((x - self.x) / self.width) - fourth((y - self.y) / self.height)

    def outline(self) -> tuple[Field, Field]:
        """Points (N, 32, 1) around the case."""
        across, down = np.cos(_TURN)[None, :, None], np.sin(_TURN)[None, :, None]
        return (
            self.x + self.width * np.sign(across) * np.sqrt(np.abs(across)),
            self.y + self.height * np.sign(down) * np.sqrt(np.abs(down)),
        )


def wire(half_width: float, *control: tuple[Field, Field]) -> Path:
    """The Bezier curve of these control points, each a pair of (N, 1, 1)."""
    degree = len(control) - 1
    x = y = 0 * control[0][0][:, :, 0]
    for k, (control_x, control_y) in enumerate(control):
        weight = comb(degree, k) * _T**k * (1 - _T) ** (degree - k)
        x = x + control_x[:, :, 0] * weight
        y = y + control_y[:, :, 0] * weight
    return Path(x, y, half_width)


def tube(torso: Torso, image: Draws) -> Path:
    """An endotracheal tube: down the trachea, its tip above the carina."""
    tip = column(image.uniform("tube.tip", -0.50, -0.26))
    start = torso.sway + column(image.normal("tube.start", 0, 0.03))
    return wire(0.026, (start, 0 * tip - 1.15), (torso.sway, 0 * tip - 0.8), (torso.sway, tip))


def line(torso: Torso, image: Draws) -> Path:
    """A central line: from the right subclavian or jugular vein into the superior vena cava."""
    jugular = column(image.chance("line.jugular", 0.45))
    entry_x = jugular * -0.22 + (1 - jugular) * -0.66
    entry_y = jugular * -1.05 + (1 - jugular) * (torso.clavicle + 0.10)
    bend = torso.clavicle - 0.05
    tip = column(image.uniform("line.tip", -0.20, 0.08))
    return wire(0.022, (entry_x, entry_y), (0.5 * entry_x - 0.08, bend), (0 * tip - 0.09, bend), (0 * tip - 0.10, tip))


def generator(torso: Torso, image: Draws) -> Generator:
    """A pacemaker below the left clavicle."""
    return Generator(
        x=torso.lung * 0.78 + column(image.normal("generator.x", 0, 0.03)),
        y=torso.clavicle + 0.16 + column(image.normal("generator.y", 0, 0.025)),
    )


def lead(torso: Torso, case: Generator) -> Path:
    """A pacemaker's lead: from its case through the superior vena cava to the apex of the heart."""
    apex = (0.62 * torso.heart_left, torso.heart_y + 0.6 * torso.heart_height)
    zero = 0 * case.x
    return wire(
        0.020,
        (case.x - 0.05, case.y - 0.05),
        (0.4 * case.x, torso.clavicle - 0.05),
        (zero - 0.20, torso.clavicle + 0.05),
        (zero - 0.22, torso.heart_y + 0.10),
        apex,
    )
